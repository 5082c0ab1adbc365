// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Precision;
import java.util.ArrayList;
import java.util.List;

/** Every case there is. */
public final class Cases {
  private Cases() {}

  /**
   * Those over activations of a dtype; optimisers, pictures and files are among those of f32. In
   * tf32 those that multiply in it: with linear layers and LoRA.
   *
   * @param precision of f32 products
   */
  public static List<Case> of(DType type, Precision precision) {
    List<Case> cases = new ArrayList<>();
    cases.addAll(LinearCases.of(type));
    if (precision == Precision.TF32) {
      cases.addAll(ModelCases.of(type));
      return cases.stream().map(each -> each.with(precision)).toList();
    }
    cases.addAll(TransformerCases.of(type));
    cases.addAll(ModelCases.of(type));
    if (type == DType.F32) {
      cases.addAll(TransformerCases.optimizers());
      cases.addAll(HostCases.all());
    }
    return cases;
  }
}
