// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** What a run has to show, and the page that shows it. */
package io.github.lorikeet.cli.report;
