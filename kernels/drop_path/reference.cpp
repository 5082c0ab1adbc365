// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "common/philox.h"

#include "drop_path/drop_path.h"

namespace lk::drop_path {

template <class Real>
void reference_scales(const Scales& call) {
  for (int64_t i = 0; i < call.scales.size; ++i) {
    const bool kept = philox_word(call.random, i) >= call.p * 4294967296.0;
    call.scales.data[i] = kept ? static_cast<float>(1 / (1 - Real(call.p))) : 0.0f;
  }
}

template void reference_scales<double>(const Scales&);
template void reference_scales<float>(const Scales&);

}  // namespace lk::drop_path
