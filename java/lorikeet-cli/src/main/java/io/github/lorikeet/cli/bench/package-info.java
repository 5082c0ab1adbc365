// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** Benchmarks: what is timed, how, and how it is reported. */
package io.github.lorikeet.cli.bench;
