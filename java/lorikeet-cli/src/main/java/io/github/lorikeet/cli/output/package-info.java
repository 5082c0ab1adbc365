// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** How the command says things: numbers, tables, progress, CSV, JSON, files. */
package io.github.lorikeet.cli.output;
