// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.cli.bench;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.HostTensor;
import io.github.lorikeet.vision.image.ImageDecoder;
import io.github.lorikeet.vision.image.Preprocess;
import io.github.lorikeet.vision.weights.Checkpoint;
import io.github.lorikeet.vision.weights.TorchWriter;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import javax.imageio.ImageIO;

/** What happens in Java, on one thread: pictures and checkpoints. */
final class HostCases {
  /** Pixels a side, as public radiographs have them. */
  private static final int SIDE = 1024;

  private static final int BLOCKS = 12;

  private HostCases() {}

  static List<Case> all() {
    return List.of(
        new Case("image-decode", "JPEG 1024x1024 grey", DType.U8, Work.NONE, d -> decode(false)),
        new Case(
            "image-decode-resize",
            "JPEG 1024x1024 grey to 224x224",
            DType.U8,
            Work.NONE,
            d -> decode(true)),
        new Case(
            "pth-load",
            "ViT-B/16 blocks, " + BLOCKS * 7_077_888L * 4 / 1_000_000 + " MB",
            DType.F32,
            new Work(0, 2.0 * 4 * BLOCKS * 7_077_888),
            d -> new CheckpointBody()));
  }

  private record Step(Runnable step) implements Body {
    @Override
    public void run() {
      step.run();
    }

    @Override
    public void close() {}
  }

  private static Body decode(boolean resize) {
    byte[] jpeg = jpeg();
    Preprocess preprocess = Preprocess.mrm(224);
    float[] out = new float[preprocess.elements()];
    return new Step(
        () -> {
          var image = ImageDecoder.decode(jpeg, "made-up.jpg");
          if (resize) {
            preprocess.normalize(preprocess.centered(image), out);
          }
        });
  }

  /** Soft shapes with noise, which compress about as a radiograph does. */
  private static byte[] jpeg() {
    BufferedImage image = new BufferedImage(SIDE, SIDE, BufferedImage.TYPE_BYTE_GRAY);
    RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        double soft = 128 + 60 * Math.sin(x / 90.0) * Math.cos(y / 70.0);
        image.getRaster().setSample(x, y, 0, (int) soft + random.nextInt(12));
      }
    }
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      ImageIO.write(image, "jpg", bytes);
      return bytes.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Opens a PyTorch checkpoint whose pages are in memory, and copies every tensor out. */
  private static final class CheckpointBody implements Body {
    private final Path file;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment copy;

    CheckpointBody() {
      Map<String, HostTensor> tensors = new LinkedHashMap<>();
      HostTensor qkv = Tensors.host("qkv", 1, 2304, 768);
      HostTensor proj = Tensors.host("proj", 1, 768, 768);
      HostTensor fc1 = Tensors.host("fc1", 1, 3072, 768);
      HostTensor fc2 = Tensors.host("fc2", 1, 768, 3072);
      for (int i = 0; i < BLOCKS; i++) {
        tensors.put("blocks." + i + ".attn.qkv.weight", qkv);
        tensors.put("blocks." + i + ".attn.proj.weight", proj);
        tensors.put("blocks." + i + ".mlp.fc1.weight", fc1);
        tensors.put("blocks." + i + ".mlp.fc2.weight", fc2);
      }
      copy = arena.allocate(fc1.bytes());
      try {
        file = Files.createTempFile("lorikeet-bench", ".pth");
        TorchWriter.write(file, tensors);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void run() {
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        for (HostTensor tensor : checkpoint.tensors().values()) {
          MemorySegment.copy(tensor.data(), 0, copy, 0, tensor.bytes());
        }
      }
    }

    @Override
    public void close() {
      arena.close();
      try {
        Files.delete(file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
