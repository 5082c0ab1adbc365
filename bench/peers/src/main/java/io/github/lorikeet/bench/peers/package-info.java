// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

/** libtorch, OpenBLAS, cuBLAS and cuDNN doing what Lorikeet's benchmark cases do. */
package io.github.lorikeet.bench.peers;
