// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whichever argument has no memory, or another device's: native code is not called. */
class UnusableTensorsTest extends KernelsTestCase {
  private final Device other = Device.open("cpu", 1);
  private final Tensor foreign = other.allocate(DType.F32, 2);
  private final Tensor unplaced = Tensor.unplaced(DType.F32, 2);
  private final Tensor closed = empty(DType.F32, 2);

  @AfterEach
  void closeTheOtherDevice() {
    foreign.close();
    other.close();
  }

  /** All operations. What answers a number of bytes looks at shapes only. */
  static Stream<Method> operations() {
    return Arrays.stream(Kernels.class.getMethods())
        .filter(method -> method.getDeclaringClass() != Object.class)
        .filter(method -> method.getReturnType() == void.class);
  }

  @ParameterizedTest
  @MethodSource("operations")
  void areRefused(Method operation) {
    closed.close();
    int tried = 0;
    for (int i = 0; i < operation.getParameterCount(); i++) {
      Class<?> type = operation.getParameterTypes()[i];
      tried += holders(type, closed).size();
      for (Object argument : holders(type, closed)) {
        assertThat(thrown(operation, i, argument)).hasMessage("tensor f32 [2] is closed");
      }
      for (Object argument : holders(type, unplaced)) {
        assertThat(thrown(operation, i, argument))
            .hasMessage("tensor f32 [2] has no memory yet, place it first");
      }
      for (Object argument : holders(type, foreign)) {
        assertThat(thrown(operation, i, argument))
            .hasMessage("tensor f32 [2] is memory of another device cpu, expected this one's");
      }
    }
    assertThat(tried).isPositive();
  }

  /** Arguments of a type that are the tensor or have it in one of their places. */
  private static List<Object> holders(Class<?> type, Tensor tensor) {
    if (type == Tensor.class) {
      return List.of(tensor);
    } else if (type == Lora.class) {
      List<Lora.Group> groups = List.of(new Lora.Group(0, 1));
      return List.of(
          new Lora(tensor, null, groups, 1, 1, 0, null),
          new Lora(null, tensor, groups, 1, 1, 0, null));
    } else if (type == Epilogue.class) {
      return List.of(
          new Epilogue().preActivation(tensor),
          new Epilogue().residual(tensor),
          new Epilogue().rowScale(tensor));
    } else if (type == LinearBackwardOptions.class) {
      return List.of(
          new LinearBackwardOptions().rowScale(tensor),
          new LinearBackwardOptions().xPreActivation(tensor));
    } else if (type == ParameterArray.class) {
      return List.of(
          parameters(tensor, null, null, null),
          parameters(null, tensor, null, null),
          parameters(null, null, tensor, null),
          parameters(null, null, null, tensor));
    }
    return List.of();
  }

  private static ParameterArray parameters(
      Tensor value, Tensor gradient, Tensor firstMoment, Tensor secondMoment) {
    ParameterArray parameters = new ParameterArray(1);
    parameters.set(0, value, gradient, firstMoment, secondMoment);
    return parameters;
  }

  /** What a call throws with this i-th argument, and the others zero, empty or null. */
  private Throwable thrown(Method operation, int i, Object argument) {
    Object[] arguments = new Object[operation.getParameterCount()];
    for (int other = 0; other < arguments.length; other++) {
      Class<?> type = operation.getParameterTypes()[other];
      if (type == ParameterArray.class) {
        arguments[other] = new ParameterArray(1);
      } else if (type == Weight.class && operation.getName().equals("weightPrepare")) {
        arguments[other] = new Weight(Weight.Format.PLAIN, 1, 2);
      } else if (type == float.class) {
        arguments[other] = 0f;
      } else if (type == long.class) {
        arguments[other] = 0L;
      } else if (type == int.class) {
        arguments[other] = 0;
      }
    }
    arguments[i] = argument;
    return catchThrowable(() -> operation.invoke(kernels, arguments)).getCause();
  }
}
