// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.bench.jmh;

import io.github.lorikeet.core.DType;
import io.github.lorikeet.core.Device;
import io.github.lorikeet.core.autograd.MemoryPlan;
import io.github.lorikeet.core.autograd.Parameter;
import io.github.lorikeet.core.autograd.Sgd;
import io.github.lorikeet.core.autograd.Tape;
import io.github.lorikeet.core.autograd.Variable;
import io.github.lorikeet.vision.model.Initializer;
import io.github.lorikeet.vision.model.LoraTargets;
import io.github.lorikeet.vision.model.VisionTransformer;
import io.github.lorikeet.vision.model.VitConfig;
import io.github.lorikeet.vision.model.WeightSource;
import io.github.lorikeet.vision.train.TrainMode;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A LoRA step of a small vision transformer: forward, backward, optimiser. */
@State(Scope.Thread)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class TrainingStep {
  private static final int BATCH = 4;
  private static final int LABELS = 3;

  private Device device;
  private Tape tape;
  private MemoryPlan plan;
  private Sgd optimizer;
  private long step;

  @Setup
  public void open() {
    device = Device.open("cpu", 1);
    VitConfig config = new VitConfig(32, 8, 3, 64, 2, 2, 128, true);
    VisionTransformer model =
        new VisionTransformer(
            config, LABELS, WeightSource.none(), new Initializer(1), TrainMode.LORA::trains);
    model.attachLora(LoraTargets.QUERY_VALUE, 4, 8, 0.1f);
    tape = new Tape(device, true, 1);
    Variable images = tape.input(DType.F32, BATCH, 1, 32, 32);
    Variable targets = tape.input(DType.F32, BATCH, LABELS);
    Variable loss = tape.keep(tape.bceWithLogits(model.forward(tape, images, 0.1f), targets));
    tape.backward(loss);
    optimizer = new Sgd(0.9f);
    plan = MemoryPlan.of(optimizer, tape);
    plan.allocate();
    float[] pixels = new float[BATCH * 32 * 32];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (float) Math.sin(0.1 * i);
    }
    images.tensor().upload(pixels);
    targets.tensor().upload(new float[BATCH * LABELS]);
    check(loss);
    Allocations.requireNone(this::step);
  }

  /** A new head's logits are nearly 0, of which the loss is ln 2; training on zeros lowers it. */
  private void check(Variable loss) {
    step();
    float first = loss.tensor().download()[0];
    if (Math.abs(first - Math.log(2)) > 1e-3) {
      throw new IllegalStateException("the first loss is " + first + ", expected ln 2");
    }
    for (int i = 0; i < 20; i++) {
      step();
    }
    float later = loss.tensor().download()[0];
    Parameter bias =
        plan.parameters().stream().filter(p -> p.name().equals("head.bias")).findFirst().get();
    if (!(later < first) || !(bias.download()[0] < 0)) {
      throw new IllegalStateException("the loss went from " + first + " to " + later);
    }
  }

  @Benchmark
  public void step() {
    tape.run(step++, false);
    optimizer.step(1e-3f);
  }

  @TearDown
  public void close() {
    plan.close();
    device.close();
  }
}
