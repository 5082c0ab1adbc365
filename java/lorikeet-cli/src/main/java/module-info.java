// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** The lorikeet command. */
module lorikeet.cli {
  requires lorikeet.vision;
  requires com.fasterxml.jackson.core;
  requires info.picocli;
  requires java.desktop;
  requires jdk.management;
  requires jdk.unsupported;

  uses io.github.lorikeet.cli.bench.Peers;

  opens io.github.lorikeet.cli to
      info.picocli;
}
