// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The shared memory of one block, with a shadow that knows for every 2 bytes who wrote them, who
// read them and what has ordered that since.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernel.h"

namespace lk::simt {

// Who touches shared memory, and when: barriers order all threads of a block, warp barriers those of
// a warp.
struct Toucher {
  int thread;           // in the block
  int warp;
  uint32_t epoch;       // barriers that the block has passed
  uint32_t warp_epoch;  // barriers of either kind that the warp has passed
};

class SharedMemory {
 public:
  // For the next block: bytes of memory nobody has written, filled with NaN.
  void begin_block(size_t bytes);

  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  // Each returns whether the access is right; finding() says what is wrong with one that is not.
  bool read(const void* data, size_t bytes, const Toucher& who, const Site& site);
  bool write(const void* data, size_t bytes, const Toucher& who, const Site& site);
  // An asynchronous copy is on its way to data, and has arrived.
  bool begin_copy(const void* data, size_t bytes, const Toucher& who, const Site& site);
  void end_copy(const void* data, size_t bytes, const Toucher& who);
  const std::string& finding() const { return finding_; }

 private:
  static constexpr size_t kCell = 2;
  static constexpr int kNobody = -1, kMany = -2;

  struct Cell {
    uint32_t block = 0;  // the block that the rest is about; older entries mean nothing
    int writer, writer_warp;
    uint32_t write_epoch, write_warp_epoch;
    int reader, reader_warp;
    uint32_t read_epoch, read_warp_epoch;
    bool arriving;
    Site write_site, read_site;
  };

  bool is_inside(const void* data, size_t bytes) const;
  Cell& cell(size_t index);
  size_t first_cell(const void* data) const { return (static_cast<const char*>(data) - data_) / kCell; }
  static size_t cells(size_t bytes) { return (bytes + kCell - 1) / kCell; }
  // Is the cell's write done, and its reads, before what `who` does now?
  static bool is_written_before(const Cell& cell, const Toucher& who);
  static bool is_read_before(const Cell& cell, const Toucher& who);
  // What is wrong, as finding(); false.
  bool outside(const void* data, size_t bytes);
  bool unordered_write(const Cell& cell, const Toucher& who, const Site& site, const char* what);
  bool unordered_read(const Cell& cell, const Toucher& who, const Site& site);
  bool unwritten(size_t index, const Site& site);

  std::vector<char> storage_;
  char* data_ = nullptr;
  size_t bytes_ = 0;
  uint32_t block_ = 0;
  std::vector<Cell> cells_;
  std::string finding_;
};

// "cuda.cu:123".
std::string place(const Site& site);

}  // namespace lk::simt
