// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "philox/philox.h"

namespace lk::philox {

lk_status check_random(const lk_random* random) {
  if (random != nullptr) return LK_OK;
  return fail(LK_BAD_ARGUMENT, "random: NULL, expected a seed, a stream and a step");
}

lk_status describe_uniform(const lk_random* random, const lk_tensor* tensor, Uniform& call) {
  LK_TRY(check_random(random));
  LK_TRY(as_matrix("tensor", tensor, -1, -1, call.tensor));
  LK_TRY(check_output("tensor", tensor));
  call.random = *random;
  return LK_OK;
}

}  // namespace lk::philox
