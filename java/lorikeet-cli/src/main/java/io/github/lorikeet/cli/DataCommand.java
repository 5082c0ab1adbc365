// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code lorikeet data}. */
@Command(
    name = "data",
    description = "Look at data sets before training.",
    synopsisSubcommandLabel = "COMMAND",
    subcommands = DataCheckCommand.class,
    footer = {"", "Examples:", "  lorikeet data check --data nih /data/NIH_ChestX-ray"})
final class DataCommand implements Runnable {
  @Spec private CommandSpec spec;

  /** Without a subcommand there is nothing to do. */
  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }
}
