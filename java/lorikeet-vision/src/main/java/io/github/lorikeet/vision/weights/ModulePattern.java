// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * Regular expressions over module names, as adapter configurations hold them. They come from
 * untrusted files, so matching takes time proportional to pattern times name (Thompson's
 * simulation, "Regular expression search algorithm", CACM 11(6), 1968), where java.util.regex may
 * take forever. Known: literals, {@code .}, escapes, {@code \d \w}, classes, groups, {@code |}, and
 * the repetitions {@code * + ?}; {@code ^} and {@code $}.
 */
final class ModulePattern {
  private static final int MAX_LENGTH = 1000;
  private static final int MAX_DEPTH = 50;

  /** What this cannot read: the message says which part. */
  static final class UnsupportedException extends Exception {
    private static final long serialVersionUID = 1;

    private UnsupportedException(String message) {
      super(message);
    }
  }

  private sealed interface Step {}

  /** Takes one character. */
  private record Take(IntPredicate accepts) implements Step {}

  /** Goes on at both places; for a plain jump they are the same. */
  private static final class Fork implements Step {
    int left;
    int right;
  }

  private enum Anchor implements Step {
    START,
    END
  }

  private final String pattern;
  private final List<Step> program = new ArrayList<>();
  private int at;
  private int depth;
  private long steps;

  private ModulePattern(String pattern) {
    this.pattern = pattern;
  }

  static ModulePattern compile(String pattern) throws UnsupportedException {
    if (pattern.length() > MAX_LENGTH) {
      throw new UnsupportedException("it is longer than %d characters".formatted(MAX_LENGTH));
    }
    ModulePattern compiled = new ModulePattern(pattern);
    compiled.alternatives();
    if (compiled.at < pattern.length()) {
      throw new UnsupportedException("')' without '('");
    }
    return compiled;
  }

  /** As PEFT looks a module up in its rank and alpha patterns: the whole name or its end. */
  static ModulePattern compileForEndOfName(String pattern) throws UnsupportedException {
    return compile("(.*\\.)?(" + pattern + ")");
  }

  /** A pattern that matches this text alone. */
  static String literal(String name) {
    StringBuilder pattern = new StringBuilder();
    for (char c : name.toCharArray()) {
      pattern.append(Character.isLetterOrDigit(c) || c == '_' ? "" : "\\").append(c);
    }
    return pattern.toString();
  }

  /** The work of all matching so far: states looked at. */
  long steps() {
    return steps;
  }

  boolean matches(String name) {
    BitSet states = new BitSet();
    BitSet next = new BitSet();
    // A state opens at most two others.
    int[] open = new int[2 * program.size() + 2];
    follow(states, 0, 0, name, open);
    for (int i = 0; i < name.length(); i++) {
      next.clear();
      for (int s = states.nextSetBit(0); s >= 0; s = states.nextSetBit(s + 1)) {
        if (s < program.size()
            && program.get(s) instanceof Take take
            && take.accepts.test(name.charAt(i))) {
          follow(next, s + 1, i + 1, name, open);
        }
      }
      BitSet done = states;
      states = next;
      next = done;
    }
    return states.get(program.size());
  }

  /** Adds a state and all that it leads to without taking a character. */
  private void follow(BitSet states, int first, int position, String name, int[] open) {
    int count = 0;
    open[count++] = first;
    while (count > 0) {
      int state = open[--count];
      steps++;
      if (states.get(state)) {
        continue;
      }
      states.set(state);
      if (state == program.size()) {
        continue;
      }
      switch (program.get(state)) {
        case Take take -> {}
        case Fork fork -> {
          open[count++] = fork.left;
          open[count++] = fork.right;
        }
        case Anchor anchor -> {
          if (position == (anchor == Anchor.START ? 0 : name.length())) {
            open[count++] = state + 1;
          }
        }
      }
    }
  }

  private void alternatives() throws UnsupportedException {
    if (++depth > MAX_DEPTH) {
      throw new UnsupportedException("groups are nested more than %d deep".formatted(MAX_DEPTH));
    }
    List<Fork> exits = new ArrayList<>();
    while (true) {
      int start = program.size();
      sequence();
      if (!peek('|')) {
        break;
      }
      at++;
      Fork choice = insertFork(start);
      Fork exit = new Fork();
      program.add(exit);
      exits.add(exit);
      choice.left = start + 1;
      choice.right = program.size();
    }
    for (Fork exit : exits) {
      exit.left = program.size();
      exit.right = program.size();
    }
    depth--;
  }

  private void sequence() throws UnsupportedException {
    while (at < pattern.length() && !peek('|') && !peek(')')) {
      int start = program.size();
      atom();
      repetition(start);
    }
  }

  private void repetition(int start) throws UnsupportedException {
    if (peek('{')) {
      throw new UnsupportedException("'{' repetitions");
    }
    if (!peek('*') && !peek('+') && !peek('?')) {
      return;
    }
    char kind = pattern.charAt(at++);
    if (peek('?')) {
      at++; // taking as little as possible: the same where only yes or no is asked
    }
    if (peek('*') || peek('+') || peek('?')) {
      throw new UnsupportedException("a repetition of a repetition");
    }
    int body = start;
    if (kind != '+') {
      Fork skip = insertFork(start);
      body = start + 1;
      skip.left = body;
      skip.right = program.size() + (kind == '*' ? 1 : 0);
    }
    if (kind != '?') {
      Fork again = new Fork();
      program.add(again);
      again.left = body;
      again.right = program.size();
    }
  }

  /** Puts a fork before what was compiled from {@code start} on, whose own targets move along. */
  private Fork insertFork(int start) {
    Fork fork = new Fork();
    program.add(start, fork);
    for (Step step : program.subList(start + 1, program.size())) {
      if (step instanceof Fork moved) {
        moved.left++;
        moved.right++;
      }
    }
    return fork;
  }

  private void atom() throws UnsupportedException {
    char c = pattern.charAt(at++);
    switch (c) {
      case '(' -> group();
      case '.' -> program.add(new Take(any -> true));
      case '^' -> program.add(Anchor.START);
      case '$' -> program.add(Anchor.END);
      case '\\' -> program.add(new Take(escape()));
      case '[' -> program.add(new Take(characterClass()));
      case '*', '+', '?', '{' -> throw new UnsupportedException("'%c' after nothing".formatted(c));
      default -> program.add(new Take(is -> is == c));
    }
  }

  private void group() throws UnsupportedException {
    if (peek('?')) {
      if (!pattern.startsWith("?:", at)) {
        throw new UnsupportedException("'(?' groups other than '(?:'");
      }
      at += 2;
    }
    alternatives();
    if (!peek(')')) {
      throw new UnsupportedException("'(' without ')'");
    }
    at++;
  }

  private IntPredicate escape() throws UnsupportedException {
    if (at == pattern.length()) {
      throw new UnsupportedException("'\\' at the end");
    }
    char c = pattern.charAt(at++);
    if (c == 'd') {
      return Character::isDigit;
    }
    if (c == 'w') {
      return is -> Character.isLetterOrDigit(is) || is == '_';
    }
    if (Character.isLetterOrDigit(c)) {
      throw new UnsupportedException("'\\%c'".formatted(c));
    }
    return is -> is == c;
  }

  private IntPredicate characterClass() throws UnsupportedException {
    boolean negated = peek('^');
    at += negated ? 1 : 0;
    IntPredicate any = none -> false;
    do {
      if (at == pattern.length()) {
        throw new UnsupportedException("'[' without ']'");
      }
      char from = pattern.charAt(at++);
      if (from == '\\') {
        any = any.or(escape());
      } else if (peek('-') && at + 1 < pattern.length() && pattern.charAt(at + 1) != ']') {
        char to = pattern.charAt(at + 1);
        at += 2;
        any = any.or(is -> is >= from && is <= to);
      } else {
        any = any.or(is -> is == from);
      }
    } while (!peek(']'));
    at++;
    return negated ? any.negate() : any;
  }

  private boolean peek(char c) {
    return at < pattern.length() && pattern.charAt(at) == c;
  }
}
