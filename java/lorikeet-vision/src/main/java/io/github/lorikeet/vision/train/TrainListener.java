// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.vision.train;

import java.util.List;

/** Who watches a training run. All calls come from the training thread. */
public interface TrainListener {

  /**
   * Before the first update.
   *
   * @param done epochs of an earlier start that the run goes on from; none for a new run
   * @param warnings why a state of the run that is there was passed over
   */
  default void onStart(List<EpochResult> done, List<String> warnings) {}

  /**
   * After every update.
   *
   * @param epoch counted from 1
   * @param update counted from 1 within the epoch
   * @param updates in an epoch
   * @param loss of the update's batches
   * @param imagesPerSecond over the epoch so far
   */
  default void onUpdate(int epoch, int update, int updates, double loss, double imagesPerSecond) {}

  /**
   * Before a look at the validation list and after each of its batches.
   *
   * @param epoch counted from 1
   * @param done images looked at so far
   * @param images in the list
   */
  default void onLook(int epoch, int done, int images) {}

  /** After every epoch; when it is the best, the model's parameters hold the best values now. */
  default void onEpoch(EpochResult result) {}

  /**
   * Asked before every update and every batch of a look: whether to end the run here, with the best
   * so far. An epoch whose look was not ended does not count.
   */
  default boolean stopRequested() {
    return false;
  }
}
