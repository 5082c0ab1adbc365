// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.report;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Writes elements that are always closed, and text that is always escaped: HTML that is XML too.
 */
final class Markup {
  private final StringBuilder text = new StringBuilder();
  private final Deque<String> open = new ArrayDeque<>();

  /** Opens an element; attributes are names and values in turn. */
  Markup open(String element, Object... attributes) {
    tag(element, attributes).append('>');
    open.push(element);
    return this;
  }

  /** Closes the element opened last. */
  Markup close() {
    text.append("</").append(open.pop()).append(">\n");
    return this;
  }

  /** An element without content, such as {@code meta}, {@code line}. */
  Markup empty(String element, Object... attributes) {
    tag(element, attributes).append("/>\n");
    return this;
  }

  /** An element with text alone. */
  Markup element(String element, String content, Object... attributes) {
    return open(element, attributes).text(content).close();
  }

  Markup text(String content) {
    escape(content);
    return this;
  }

  /** Text that is markup already. */
  Markup raw(String markup) {
    text.append(markup);
    return this;
  }

  private StringBuilder tag(String element, Object... attributes) {
    text.append('<').append(element);
    for (int i = 0; i < attributes.length; i += 2) {
      text.append(' ').append(attributes[i]).append("=\"");
      escape(String.valueOf(attributes[i + 1]));
      text.append('"');
    }
    return text;
  }

  private void escape(String content) {
    content
        .codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '&' -> text.append("&amp;");
                case '<' -> text.append("&lt;");
                case '>' -> text.append("&gt;");
                case '"' -> text.append("&quot;");
                case '\t', '\n' -> text.appendCodePoint(c);
                // Characters that XML has no way to write.
                default -> text.appendCodePoint(c < 0x20 || c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
              }
            });
  }

  /** All of it. */
  @Override
  public String toString() {
    if (!open.isEmpty()) {
      throw new IllegalStateException("still open: " + open);
    }
    return text.toString();
  }
}
