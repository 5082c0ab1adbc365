// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** Files written whole, and what is said where files fail: for Lorikeet's own modules. */
package io.github.lorikeet.vision.file;
