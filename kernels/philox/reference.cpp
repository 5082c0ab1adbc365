// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/philox.h"

#include "philox/philox.h"

namespace lk::philox {

template <class Real>
void reference_uniform(const Uniform& call) {
  for (int64_t i = 0; i < call.tensor.rows; ++i) {
    for (int64_t j = 0; j < call.tensor.columns; ++j) {
      const Real word = philox_word(call.random, i * call.tensor.columns + j);
      call.tensor.row(i)[j] = static_cast<float>(word / Real(4294967296.0));
    }
  }
}

template void reference_uniform<double>(const Uniform&);
template void reference_uniform<float>(const Uniform&);

}  // namespace lk::philox
