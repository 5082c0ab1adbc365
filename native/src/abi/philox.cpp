// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;

lk_status lk_random_uniform(lk_device* device, const lk_random* random, const lk_tensor* tensor) {
  return lk::execute<lk::philox::Uniform>(
      "random_uniform", device, &Operations::random_uniform,
      [&](lk::philox::Uniform& call) { return lk::philox::describe_uniform(random, tensor, call); });
}
