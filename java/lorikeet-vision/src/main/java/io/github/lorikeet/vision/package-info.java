// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** Fine-tuning vision transformers on radiographs. */
package io.github.lorikeet.vision;
