// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;

/**
 * Unpacks libtorch into JavaCPP's cache and ends. The process that fills an empty cache is apt to
 * crash, so it is a process of its own.
 */
public final class WarmUp {
  private WarmUp() {}

  public static void main(String[] arguments) {
    Loader.load(torch.class);
    System.out.println("libtorch loads, with " + torch.get_mkldnn_version().getString());
  }
}
