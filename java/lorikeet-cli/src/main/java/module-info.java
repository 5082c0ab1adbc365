// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** The lorikeet command. */
module lorikeet.cli {
  requires lorikeet.vision;
  requires info.picocli;

  opens io.github.lorikeet.cli to info.picocli;
}
