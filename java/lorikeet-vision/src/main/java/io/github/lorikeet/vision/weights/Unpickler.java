// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0

package io.github.lorikeet.vision.weights;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Reads a Python pickle (protocols 2 to 5) as data. Nothing a pickle names is looked up or run: the
 * {@link Names} decides what a global function gives, and for what it does not know there is an
 * {@link Opaque} object that swallows whatever is done to it.
 *
 * <p>dict becomes a Map by text (numbers and bools as keys are written out, entries of other keys
 * dropped), list a List, tuple an Object[], int a Long, float a Double, str a String, None null.
 *
 * <p>Bounded: the work by the pickle's length, the memory by {@link #MAX_OBJECTS}; nothing here
 * follows the objects' nesting. The instructions are those of Python's pickletools.
 */
final class Unpickler {
  /** A vision transformer with its optimiser's state has some ten thousand. */
  static final int MAX_OBJECTS = 400_000;

  private static final int MAX_NAME = 256;

  /** A function or class as the pickle names it; all that its calls give share the one text. */
  record Global(String module, String name, String text) {
    Global(String module, String name) {
      this(module, name, module + "." + name);
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /** A Python object that has no meaning here; {@code what} is the class or function it is of. */
  record Opaque(String what) {}

  /** What the names in a pickle stand for. */
  interface Names {
    /** The object of a persistent id. */
    Object persistent(Object id);

    /** The result of calling a function or class; an {@link Opaque} for those not known. */
    Object call(Global function, Object[] arguments);
  }

  private static final Object MARK = new Object();

  private final byte[] bytes;
  private final Names names;
  private final Function<String, WeightsException> error;
  private final ArrayList<Object> stack = new ArrayList<>();
  private final ArrayList<Object> memo = new ArrayList<>();
  private int at;
  private int objects;

  /** {@code error} makes the exception for a message. */
  Unpickler(byte[] bytes, Names names, Function<String, WeightsException> error) {
    this.bytes = bytes;
    this.names = names;
    this.error = error;
  }

  Object load() {
    while (true) {
      int start = at;
      int opcode = u8();
      if (opcode == '.') {
        return pop();
      }
      if (!scalar(opcode) && !container(opcode) && !object(opcode)) {
        throw damaged("unknown instruction 0x%02x".formatted(opcode), start);
      }
    }
  }

  private boolean scalar(int opcode) {
    switch (opcode) {
      case 'N' -> push(null);
      case 0x88 -> push(true);
      case 0x89 -> push(false);
      case 'K' -> push((long) u8());
      case 'M' -> push((long) (u8() | u8() << 8));
      case 'J' -> push((long) (int) little(4));
      case 0x8a -> push(integer(u8()));
      case 0x8b -> push(integer(length(4)));
      case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(little(8))));
      case 0x8c -> push(text(u8()));
      case 'X' -> push(text(length(4)));
      case 0x8d -> push(text(length(8)));
      // Strings of Python 2: bytes, in practice ASCII.
      case 'U' -> push(text(u8()));
      case 'T' -> push(text(length(4)));
      case 'C' -> push(binary(u8()));
      case 'B' -> push(binary(length(4)));
      case 0x8e, 0x96 -> push(binary(length(8)));
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean container(int opcode) {
    switch (opcode) {
      case '(' -> push(MARK);
      case '0' -> pop();
      case '1' -> popToMark();
      case '2' -> push(top());
      case ')' -> push(new Object[0]);
      case 't' -> push(popToMark());
      case 0x85 -> push(popItems(1));
      case 0x86 -> push(popItems(2));
      case 0x87 -> push(popItems(3));
      case ']' -> push(new ArrayList<>());
      case 'l' -> push(new ArrayList<>(Arrays.asList(popToMark())));
      case 'a' -> append(popItems(1));
      case 'e' -> append(popToMark());
      case '}' -> push(new LinkedHashMap<>());
      case 'd' -> {
        Object[] items = popToMark();
        push(new LinkedHashMap<>());
        setItems(items);
      }
      case 's' -> setItems(popItems(2));
      case 'u' -> setItems(popToMark());
      case 0x8f -> push(new Opaque("set"));
      case 0x90 -> append(popToMark());
      case 0x91 -> {
        popToMark();
        push(new Opaque("frozenset"));
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean object(int opcode) {
    switch (opcode) {
      case 0x80 -> {
        int protocol = u8();
        if (protocol < 2 || protocol > 5) {
          throw damaged("pickle protocol %d; expected 2 to 5".formatted(protocol), at);
        }
      }
      case 0x95 -> length(8);
      case 'q' -> remember(u8());
      case 'r' -> remember(little(4));
      case 0x94 -> remember(memo.size());
      case 'h' -> recall(u8());
      case 'j' -> recall(little(4));
      case 'c' -> push(new Global(line(), line()));
      case 0x93 -> {
        Object[] name = popItems(2);
        if (!(name[0] instanceof String module && name[1] instanceof String function)) {
          throw damaged("a global's name is no text", at);
        }
        push(new Global(bounded(module), bounded(function)));
      }
      case 'Q' -> push(names.persistent(pop()));
      case 'R', 0x81 -> call(popItems(2));
      case 0x92 -> call(Arrays.copyOf(popItems(3), 2));
      // Attributes of an object: none matters here.
      case 'b' -> {
        pop();
        top();
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  private void call(Object[] functionAndArguments) {
    Object function = functionAndArguments[0];
    if (function instanceof Opaque) {
      push(function);
    } else if (function instanceof Global global
        && functionAndArguments[1] instanceof Object[] arguments) {
      push(names.call(global, arguments));
    } else {
      throw damaged("what is called is no function, or its arguments are no tuple", at);
    }
  }

  @SuppressWarnings("unchecked")
  private void append(Object[] items) {
    if (top() instanceof List<?> list) {
      ((List<Object>) list).addAll(Arrays.asList(items));
    } else if (!(top() instanceof Opaque)) {
      throw damaged("items are added to what is no list", at);
    }
  }

  @SuppressWarnings("unchecked")
  private void setItems(Object[] items) {
    if (top() instanceof Opaque) {
      return;
    }
    if (!(top() instanceof Map<?, ?> map) || items.length % 2 != 0) {
      throw damaged("entries are set in what is no dict", at);
    }
    for (int i = 0; i < items.length; i += 2) {
      put((Map<String, Object>) map, items[i], items[i + 1]);
    }
  }

  /** Sets an entry as {@code d[key] = value} does, but for keys that come twice. */
  void put(Map<String, Object> map, Object key, Object value) {
    // Other keys would be hashed through all that is nested in them.
    if (key instanceof String || key instanceof Number || key instanceof Boolean) {
      // Keys of one class have an order, by which a map finds those of equal hashes soon.
      String text = key.toString();
      if (map.containsKey(text)) {
        throw damaged("the key %s comes twice".formatted(WeightsException.quote(text)), at);
      }
      map.put(text, value);
    }
  }

  private void push(Object object) {
    if (++objects > MAX_OBJECTS) {
      throw error.apply("its pickle makes more than %d objects".formatted(MAX_OBJECTS));
    }
    stack.add(object);
  }

  private Object top() {
    if (stack.isEmpty() || stack.getLast() == MARK) {
      throw damaged("an operand is missing", at);
    }
    return stack.getLast();
  }

  private Object pop() {
    Object object = top();
    stack.removeLast();
    return object;
  }

  private Object[] popItems(int count) {
    Object[] items = new Object[count];
    for (int i = count - 1; i >= 0; i--) {
      items[i] = pop();
    }
    return items;
  }

  private Object[] popToMark() {
    int mark = stack.size() - 1;
    while (mark >= 0 && stack.get(mark) != MARK) {
      mark--;
    }
    if (mark < 0) {
      throw damaged("a mark is missing", at);
    }
    List<Object> tail = stack.subList(mark, stack.size());
    Object[] items = tail.subList(1, tail.size()).toArray();
    tail.clear();
    return items;
  }

  private void remember(long index) {
    // Picklers count up from zero, one place an object.
    if (index > objects) {
      throw damaged("memo %d is used before those below it".formatted(index), at);
    }
    while (memo.size() <= index) {
      memo.add(MARK);
    }
    memo.set((int) index, top());
  }

  private void recall(long index) {
    if (index >= memo.size() || memo.get((int) index) == MARK) {
      throw damaged("memo %d is empty".formatted(index), at);
    }
    push(memo.get((int) index));
  }

  private int u8() {
    need(1);
    return Byte.toUnsignedInt(bytes[at++]);
  }

  /** An unsigned little-endian integer of at most 8 bytes. */
  private long little(int count) {
    need(count);
    long value = 0;
    for (int i = 0; i < count; i++) {
      value |= Byte.toUnsignedLong(bytes[at++]) << 8 * i;
    }
    return value;
  }

  /** A length that the rest of the pickle can hold. */
  private int length(int count) {
    long length = little(count);
    if (length < 0 || length > bytes.length - at) {
      throw damaged("%d bytes are to follow, %d do".formatted(length, bytes.length - at), at);
    }
    return (int) length;
  }

  /** A two's complement integer; those beyond 64 bits are no sizes or steps. */
  private Object integer(int count) {
    if (count > Long.BYTES) {
      need(count);
      at += count;
      return new Opaque("int");
    }
    long value = little(count);
    int unused = Long.SIZE - 8 * count;
    return count == 0 ? 0L : value << unused >> unused;
  }

  private String text(int count) {
    need(count);
    at += count;
    return new String(bytes, at - count, count, StandardCharsets.UTF_8);
  }

  private Opaque binary(int count) {
    need(count);
    at += count;
    return new Opaque("bytes");
  }

  private String line() {
    int start = at;
    while (u8() != '\n') {
      if (at - start > MAX_NAME) {
        throw damaged("a global's name is too long", start);
      }
    }
    return new String(bytes, start, at - 1 - start, StandardCharsets.UTF_8);
  }

  private String bounded(String name) {
    if (name.length() > MAX_NAME) {
      throw damaged("a global's name is too long", at);
    }
    return name;
  }

  private void need(int count) {
    if (count > bytes.length - at) {
      throw damaged("it ends too early", at);
    }
  }

  private WeightsException damaged(String problem, int position) {
    return error.apply("its pickle is damaged at byte %d: %s".formatted(position, problem));
  }
}
