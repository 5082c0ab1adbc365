// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "drop_path/drop_path.h"

#include "common/philox.h"
#include "philox/philox.h"

namespace lk::drop_path {

lk_status describe_scales(float p, const lk_random* random, const lk_tensor* scales, Scales& call) {
  LK_TRY(check_probability("p", p));
  LK_TRY(philox::check_random(random));
  LK_TRY(as_vector("scales", scales, -1, call.scales));
  call.random = *random;
  call.p = p;
  call.keep_threshold = keep_threshold(p);
  call.kept = static_cast<float>(1 / (1 - static_cast<double>(p)));
  return LK_OK;
}

}  // namespace lk::drop_path
