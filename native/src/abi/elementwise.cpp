// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
#include "entry.h"

namespace elementwise = lk::elementwise;
using lk::Operations;

lk_status lk_fill(lk_device* device, const lk_tensor* tensor, float value) {
  return lk::execute<elementwise::Fill>(
      "fill", device, &Operations::fill,
      [&](elementwise::Fill& call) { return elementwise::describe_fill(tensor, value, call); });
}

lk_status lk_add(lk_device* device, const lk_tensor* a, const lk_tensor* b, const lk_tensor* y) {
  return lk::execute<elementwise::Add>(
      "add", device, &Operations::add,
      [&](elementwise::Add& call) { return elementwise::describe_add(a, b, y, call); });
}

lk_status lk_convert(lk_device* device, const lk_tensor* source, const lk_tensor* destination) {
  return lk::execute<elementwise::Convert>(
      "convert", device, &Operations::convert, [&](elementwise::Convert& call) {
        return elementwise::describe_convert(source, destination, call);
      });
}
