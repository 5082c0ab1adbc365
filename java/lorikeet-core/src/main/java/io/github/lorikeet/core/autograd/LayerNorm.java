// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core.autograd;

/**
 * A layer normalisation (Ba et al., arXiv 1607.06450).
 *
 * @param gamma [width]
 * @param beta [width]
 * @param eps added to the variance
 */
public record LayerNorm(Parameter gamma, Parameter beta, float eps) {
  public LayerNorm {
    if (gamma == beta) {
      throw new IllegalArgumentException(gamma.describe() + ": both gamma and beta, expected two");
    }
    if (!(eps >= 0 && Float.isFinite(eps))) {
      throw new IllegalArgumentException("eps " + eps + ": expected 0 or more");
    }
    if (gamma.elements() != beta.elements()) {
      throw new IllegalArgumentException(
          beta.describe() + ": expected as many elements as " + gamma.describe());
    }
  }

  /** Features a row. */
  public long width() {
    return gamma.elements();
  }
}
