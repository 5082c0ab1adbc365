// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.peers;

import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** Does what a case does, once, by libtorch; answers its results under the case's names. */
interface Program {
  Map<String, Tensor> run();
}
