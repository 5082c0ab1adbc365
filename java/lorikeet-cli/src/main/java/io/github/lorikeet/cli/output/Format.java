// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.output;

import java.util.Locale;

/** Numbers as people read them; "–" where there is none. */
public final class Format {
  private static final String NONE = "–";

  private Format() {}

  /** Text that may quote a file: characters that would tell a terminal to do things as "?". */
  public static String printable(String text) {
    return text.replaceAll("[\\p{Cc}&&[^\n]]", "?");
  }

  /** {@code 1234567} as "1,234,567". */
  public static String count(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  /** Bytes in decimal units, three digits or so: "512 B", "8.05 MB", "143 MB". */
  public static String bytes(long bytes) {
    String[] units = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = bytes;
    int unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return String.format(Locale.ROOT, "%." + decimals + "f %s", value, units[unit]);
  }

  /** A part of a whole: "0.67 %". */
  public static String percent(double part, double whole) {
    double percent = 100 * part / whole;
    if (!Double.isFinite(percent)) {
      return NONE;
    }
    return String.format(Locale.ROOT, percent >= 10 ? "%.0f %%" : "%.2f %%", percent);
  }

  /** With a fixed number of decimals: "0.868". */
  public static String decimals(double value, int decimals) {
    return Double.isNaN(value) ? NONE : String.format(Locale.ROOT, "%." + decimals + "f", value);
  }

  /** A span of time as a clock shows it: "0:09", "12:34", "1:02:03". */
  public static String clock(double seconds) {
    if (!Double.isFinite(seconds)) {
      return NONE;
    }
    long whole = Math.max(0, Math.round(seconds));
    return whole < 3600
        ? String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60)
        : String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  }

  /** A measured span: "0.42 s", "31.2 s", "12:34". */
  public static String seconds(double seconds) {
    if (!Double.isFinite(seconds) || seconds >= 99.95) {
      return clock(seconds);
    }
    return decimals(seconds, seconds < 9.995 ? 2 : 1) + " s";
  }
}
