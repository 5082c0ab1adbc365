// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.image;

import java.util.Base64;
import java.util.List;

/**
 * JPEG 2000 codestreams of two pictures of 21 x 17 pixels, as OpenJPEG 2.5.0 makes them: {@code
 * opj_compress} with the options that each names.
 */
final class Jpeg2000Files {
  static final int WIDTH = 21;
  static final int HEIGHT = 17;

  /** Three resolutions, one block a band: {@code -n 3}. */
  static final byte[] REVERSIBLE =
      bytes(
          """
          /0//UQApAAAAAAAVAAAAEQAAAAAAAAAAAAAAFQAAABEAAAAAAAAAAAABBwEB/1IADAAAAAEAAgQEAAH/
          XAAKQEBISFBISFD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjD/kAAKAAAAAAFb
          AAH/k9+BEBIMO5nYiMj52rSrsc07v9BTuPHIPMTksQldnCi1w7f1eHfH2i8/AXh9oqAowyh3/Yb9V4kh
          /XAY/VNSEyOVkq4Ofx69/2NdtVX5/nMDlcpD0v1XMEaV5UF/HuBmSuuISxaI1+1cp6vKxkMhGdJfz8Eu
          fgmR+B4AbdoPV541hoV0/Y0wJIv6zkjmJKtPs5uTt4y0ZhAHfnjfLdMs+RDdnB6ebmcvVf90LNKa/XfM
          kSla2DFLdVU9O/9nCR9XtHlDAru3R/0m8iM8Zt3/Z83S9bND6HvdathcN1w49Lc1kQXkKL4J0/J0EuU1
          hRHcPPs0pmpBaGB5H68jFAjoMInYqnxN1nCxIqVrn+5QXCMrQ1LVUt/smQKzov7/R5rHoCg54SOxRlQz
          cXwN1DauzKeLxoZRX/8gq+F2J+MZ6iwDHbPoQhzEC1YWv9HOl//Z
          """);

  /**
   * Four tiles off the origin, precincts, a packet a resolution and place, packet markers: {@code
   * -n 2 -t 14,12 -d 3,2 -T 1,1 -p RPCL -c [16,16],[8,8] -SOP -EPH}.
   */
  static final byte[] TILES_AND_PRECINCTS =
      bytes(
          """
          /0//UQApAAAAAAAYAAAAEwAAAAMAAAACAAAADgAAAAwAAAABAAAAAQABBwEB/1IADgcCAAEAAQQEAAEz
          RP9cAAdAQEhIUP9kACUAAUNyZWF0ZWQgYnkgT3BlbkpQRUcgdmVyc2lvbiAyLjUuMP+QAAoAAAAAAJMA
          Af+T/5EABAAA34Eo/5ISHioznbS4EbCDNZB/rtgyx1DIB+53CXY9HacuWiyhdWvKNv9//5EABAABwfOa
          g+cvB9Qm/5IGT2kE84AfGm1lr6vlhFYErycSFG9SNDkF9xo2vZzhaMAd+ZQaa4f+t0C2Uk0M4QLPG732
          ey0jUqSsYk+87PLvUwSwTP+QAAoAAQAAAJYAAf+T/5EABAAA34DQ/5I77o1zQnw1FfT9CWLDrFzea+fZ
          L1KYl0uOv/+RAAQAAcHzhoHzgv+SDCZ4PDvBDTv/kQAEAALPwGI+0Th9oiD/kjiV5vv9zBNZKtc+hr50
          ShFT6hneT/Kg3yRcJXbd9TDC21rmv+NfXdfaWBIfn07YZKu0MNmrcxetuln/f/+QAAoAAgAAAJMAAf+T
          /5EABAAAz7QY/5IRPSZrDIf/kQAEAAHfgHj/khSjfvjdH07LPRneZDhrDP+RAAQAAsHzhY+0Mg+oLP+S
          BepTn9kgvvE5shfLu99sXvcSmps1CzV00CrFP/+RAAQAA8faGT8AmPwBwP+SHK4IttUy0bCr+gNPCvO2
          iI7ZH+kPDQ/XEpwPv/+QAAoAAwAAAJoAAf+T/5EABAAAz7QU/5ICuD4dE/+RAAQAAc+0KP+SBkw4k9yK
          gH9XT/+RAAQAAsfaAz8wMP+SBAuHL/+RAAQAA8PqBZ+AVH4BAP+SBAE5tn8NoQnp5p1YLBzDB0KkMHK6
          rfH/kQAEAATD6gMA/5ICxZf/kQAEAAXB84aD5wkB8gP/kgkDWzo6Rw+H0TkFbl//2Q==
          """);

  /** All of the block coder's styles at once: {@code -n 4 -p PCRL -M 63 -b 16,16}. */
  static final byte[] EVERY_BLOCK_STYLE =
      bytes(
          """
          /0//UQApAAAAAAAVAAAAEQAAAAAAAAAAAAAAFQAAABEAAAAAAAAAAAABBwEB/1IADAADAAEAAwICPwH/
          XAANQEBISFBISFBISFD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjD/kAAKAAAA
          AAJHAAH/k9+BElEkkkkkIhEGozoARL2XALY0bLaKaLaVwbYDqrbIqrbPwIkkklEkkkkkz8CJJJJJJJIJ
          BMfgRJJJJJJJBIJAFfhfAMVAGkRAtgzOInU1Gmq2cim21aC2D6BKALZAGrZAALbFirblBbZNtlG2DxOO
          NLaGNLYVALZKdbbVorZNtiG2x9pIpFopIlkQz8DJSJSKSSJZLMPtREoxIlEslkAo5KXtADJC12C8Gohc
          acCLYF2oXgDhtq0rjNW2Rm8lqrYevjFKNL6YmmjeTngysHLuA4poChARS6jQUbaChS/ltpJ0sJq2HuBk
          rJKyrOt94Q0ULsZ82Vw+j7bG2H62CrDfKraFQ+wqts/CMxQiNCWESVFYFZGfhIgoZCZxCHDCsClDH4So
          JGSuZUgo4o4o4m3adjC2vABiQI7UmZ7JXlLXt4URTo0hrR/4A44OBmAKAGwUIioBEtoqCP0lHU3NLUE3
          CZLZAevlWg6NGmZ2zmYAzlsznl5/fiK277u7v/3fyIu/pM/vZjS2R/0m/Y/nkxhwV0eACKc9WSDioJA7
          1QJ8Uxp1DPUU7uTTEbMBJgYCgFEBs5RKZWKea2Q4azVYjcDOefU9tyoNO8x2z4w1+80p5u9bwrb6v661
          6jok1FFa/Ota1bZS1VLgvaVQk3QVQyGO7khqdxXzFHaMidoSaWxmco0oyQIXbzYkpt5qXDx0sWrUyVW2
          AAAAFQAAAAAQgMm2AAAAFRxMDhiXgA22AAAAFbP/LL/c9f62/9k=
          """);

  /**
   * Twelve bits in three layers, bypassing the arithmetic coder: {@code -n 2 -M 1 -p RLCP -r
   * 4,2,1}.
   */
  static final byte[] LAYERS_OF_TWELVE_BITS =
      bytes(
          """
          /0//UQApAAAAAAAVAAAAEQAAAAAAAAAAAAAAFQAAABEAAAAAAAAAAAABCwEB/1IADAABAAMAAQQEAQH/
          XAAHQGBoaHD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjD/kAAKAAAAAAIRAAH/
          k95cEit/kkXGL2/jZYnOA6X2jHXPHIlV0Vj8iurQW/kNPknCvFmEgXxfZpyW+opNSrR/yVhMPMvDQm5T
          zdTNCv9/6h5kIeWIagOIYzkJKP2lq1atWrUA/3/x75Ef/rBS/X9StLJq/39w6UBm9ZSDBqOvfv7K/3/C
          S6PBUG6Y+rDfryoq/39YaXmc5UeJ60GMfpZK/39ZRNDRiDqxsRnCDNqK/3+hzxASHECRjjlJGZ4q/3+R
          GGcak8+kYiSfSLRJ8ogwclzwacEQxkpF7kzvQBQJVf9/AAFLamvspyTaG5BkzfCyIAUBYP9/AAEXIp3h
          7OA+dXR7AAEE/aSJN05asX2xEIlPFxMJZfgRo9Z5UqVo/38AAUtq/38AAUvKBtOiG8k/9+PJ+Z+fn78P
          Pe8HyvIB0xa/pnvpvZq1GtKNqLUPkTL/f9+97tk2btbsm3b2FRX/f/9f5lF7/ZzP97Obtf9//38AARci
          /3/wABJ0BSGDRAV5dOl3v/8Z7+f+Z4v222fmbVYrEA/l/L+6X0tVFo1Y00ZZxf9//2IACFxFeEAADlr1
          /3/6jqpPqKlbvzr1t/9//38AAQT/fwABFAVsxTtw0gzAiAGYRAzAgBBqA282JKbealwfmyxq1zVV/38A
          AAAAAAAAAAgC/38AAAABxMDhiOgz/38AAAALP/WX/x/fqv9//9k=
          """);

  /** The 9/7 transform, quantised: {@code -n 3 -I}. */
  static final byte[] IRREVERSIBLE =
      bytes(
          """
          /0//UQApAAAAAAAVAAAAEQAAAAAAAAAAAAAAFQAAABEAAAAAAAAAAAABBwEB/1IADAAAAAEAAgQEAAD/
          XAARQl9SUAVQBVBHV9NX01di/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS4w/5AA
          CgAAAAABagAB/5PH5lIQ3AmyBiPfWdiwAqLw5A14Cwg2jr2B9Df1lZFqHJ59+4wxUF2WrvXgD8PtGI/A
          ah9ooCiaXlYWXky2mNHcDsIW0Tl4sSAG0vnJCwNznhG3Cur1N+1YA5Yk9l4U0fUJVx/SVvYLHuC14jOk
          rpSzGbAFXhiDmEBptHfH4JkfgmR+CABt1RouG4RJocPnMCZTo6P5xYCg64JXcwmHUAtTv2mQHHWxitf3
          77+cErh9A8yyNLcXWGiXDmVfBacZULpzAarljIIfXSTVRegqo7N/R8A+gE848aRW5uwJBwDbUWMS2evM
          Qe00QWReheucTWr29dfe19SHp5Kg6ulfU1zTOespWpTErjXWIg84A03HCqruLxj9GdNnFA8Bo1dYzoSp
          dB95effBvzTJLAZgMX25SNBiULtLi8QUTlnH8sIfFAx2dSfUjKSEbcwt2me59u3H/Z552Z4pkXbmfI//
          2Q==
          """);

  /**
   * Blocks of 4 x 16 that do not see the next stripe, two layers, precincts: {@code -n 2 -M 8 -p
   * CPRL -b 4,16 -r 3,1 -c [16,16]}.
   */
  static final byte[] SMALL_BLOCKS =
      bytes(
          """
          /0//UQApAAAAAAAVAAAAEQAAAAAAAAAAAAAAFQAAABEAAAAAAAAAAAABBwEB/1IADgEEAAIAAQACCAEz
          RP9cAAdAQEhIUP9kACUAAUNyZWF0ZWQgYnkgT3BlbkpQRUcgdmVyc2lvbiAyLjUuMP+QAAoAAAAAAZ4A
          Af+T70fwoBId2DFlW/ky+tT1Yf2DP2jgj2ALxWvtuWiFa/xNH3wBedKlM7U7Syf4PxmFoqPaMdB+UzbD
          y0/2hb+yUFfjxW4ru9/P0oOA4vqGv2jmX2jf8B3H8Bf+A2A0DycksZNxxpc/2Gh255t9gXEGMTVwuoI1
          dy7/WRFPUC/fehHMktDHN2OyxhHNSnzHACBF5CYpHmHCJyY0IgXa7jfZTW+1Yh+wg2o5tu9DAj83gbyg
          X4bmi9lZuuI4+U+lZZtYMm8V75TeCa/Z0DQPuGOIFuPUQDOEafx894gJtiQZnAJ3Mk0oYCzXvN1IfxCr
          SoNZXZiXB4CN21do8XFf3Cge0VEIpP2iwCcHfRiYUUTsO/fgPYZHfETwOWPtmouAz8BCfgNR+AgAG8fX
          nPvg5E/Uoy/Zz97d/R6vPDqlyWAWhP2P/1FUQI1SpCm4/nUdxW1/GxHTJx6IeNiwr5bhyGB/0oDv4At9
          oKAQXnkdSggk+nlvgOP2gs+cIA3A6Bg/CqGXgYDPtBAMwdxfgMD5AQADm//Z
          """);

  private Jpeg2000Files() {}

  static List<byte[]> all() {
    return List.of(
        REVERSIBLE,
        TILES_AND_PRECINCTS,
        EVERY_BLOCK_STYLE,
        LAYERS_OF_TWELVE_BITS,
        IRREVERSIBLE,
        SMALL_BLOCKS);
  }

  /** A sample of the picture of eight bits. */
  static int sample(int x, int y) {
    return (x * x / 2 + y * y + 5 * (x * y % 7)) % 256;
  }

  /** A sample of the one of twelve bits. */
  static int deepSample(int x, int y) {
    return (9 * x * x + 11 * y * y + 5 * (x * y % 7)) % 4096;
  }

  private static byte[] bytes(String base64) {
    return Base64.getMimeDecoder().decode(base64);
  }
}
