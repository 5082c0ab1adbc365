// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModulePatternTest {
  private static final List<String> NAMES =
      List.of("", "a", "b", "ab", "aab", "a.b", "blocks.1.attn.qkv", "blocks.11.attn.qkv", "q-k");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "a", "a*b", "a+?b", "(a|)b?", ".*", ".*\\.qkv", "blocks\\.[0-9]\\.attn\\.(qkv|proj)",
        "blocks\\.\\d+\\..*", "[^a]", "[a.]*b", "^a$", "a^b", "(?:ab|a(a|b)*)+", "a||b", "(()|a)*b",
        "q[-]k", "[ab-]+", "(a*)*b", "\\w+\\.\\w", "(.*\\.)?(b)", "(^a|b)$"
      })
  void agreesWithJavaWhereBothKnowTheSyntax(String pattern) throws Exception {
    ModulePattern compiled = ModulePattern.compile(pattern);
    for (String name : NAMES) {
      assertThat(compiled.matches(name)).as(name).isEqualTo(Pattern.matches(pattern, name));
    }
  }

  @Test
  void agreesWithJavaOnRandomPatterns() throws Exception {
    Random random = new Random(7);
    int compared = 0;
    for (int i = 0; i < 20_000; i++) {
      StringBuilder pattern = new StringBuilder();
      for (int n = random.nextInt(10); n > 0; n--) {
        pattern.append("ab.|()*+?^$".charAt(random.nextInt(11)));
      }
      ModulePattern compiled;
      Pattern java;
      try {
        compiled = ModulePattern.compile(pattern.toString());
        java = Pattern.compile(pattern.toString());
      } catch (ModulePattern.UnsupportedException | PatternSyntaxException e) {
        continue;
      }
      compared++;
      for (String name : NAMES) {
        assertThat(compiled.matches(name))
            .as("%s against %s", pattern, name)
            .isEqualTo(java.matcher(name).matches());
      }
    }
    assertThat(compared).isGreaterThan(1000);
  }

  @Test
  void patternsThatExplodeElsewhereDoNot() throws Exception {
    ModulePattern compiled = ModulePattern.compile("(a*)*(a|a)*(a*)*" + "(a|)".repeat(100) + "b");
    assertThat(compiled.matches("a".repeat(2000))).isFalse();
    assertThat(compiled.steps()).isLessThan(3_000_000);
  }

  @Test
  void literalsMatchThemselvesOnly() throws Exception {
    ModulePattern compiled = ModulePattern.compile(ModulePattern.literal("a.b*[c]-1"));
    assertThat(compiled.matches("a.b*[c]-1")).isTrue();
    assertThat(compiled.matches("a_b*[c]-1")).isFalse();
    ModulePattern end = ModulePattern.compileForEndOfName("attn\\.qkv");
    assertThat(end.matches("blocks.3.attn.qkv")).isTrue();
    assertThat(end.matches("attn.qkv")).isTrue();
    assertThat(end.matches("xattn.qkv")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"a{2}", "(?=a)", "(a", "a)", "[a", "\\", "\\b", "*", "a**", "|*"})
  void saysWhatItCannotRead(String pattern) {
    assertThatThrownBy(() -> ModulePattern.compile(pattern))
        .isInstanceOf(ModulePattern.UnsupportedException.class);
    assertThatThrownBy(() -> ModulePattern.compile("(".repeat(900)))
        .hasMessageContaining("nested more than");
  }
}
