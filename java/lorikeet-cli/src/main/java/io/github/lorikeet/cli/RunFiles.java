// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
package io.github.lorikeet.cli;

import io.github.lorikeet.vision.train.EpochResult;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a run's files hold. */
final class RunFiles {
  private RunFiles() {}

  /** An epoch's line of log.jsonl. */
  static Map<String, Object> epoch(EpochResult epoch, List<String> labelNames) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("epoch", epoch.epoch());
    line.put("lr", epoch.learningRate());
    line.put("loss", epoch.trainLoss());
    if (epoch.validation() != null) {
      Map<String, Object> perLabel = new LinkedHashMap<>();
      for (int i = 0; i < labelNames.size(); i++) {
        perLabel.put(labelNames.get(i), epoch.validation().perLabel().get(i));
      }
      line.put("val_loss", epoch.validationLoss());
      line.put("val_auroc", epoch.validation().mean());
      line.put("val_auroc_per_label", perLabel);
      line.put("best", epoch.best());
    }
    line.put("seconds", epoch.seconds());
    line.put("images_per_second", epoch.imagesPerSecond());
    line.put("waiting_seconds", epoch.waitingSeconds());
    return line;
  }
}
