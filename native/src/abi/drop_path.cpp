// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

using lk::Operations;

lk_status lk_drop_path_scales(lk_device* device, float p, const lk_random* random,
                              const lk_tensor* scales) {
  return lk::execute<lk::drop_path::Scales>(
      "drop_path_scales", device, &Operations::drop_path_scales,
      [&](lk::drop_path::Scales& call) {
        return lk::drop_path::describe_scales(p, random, scales, call);
      });
}
