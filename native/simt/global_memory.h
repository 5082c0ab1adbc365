// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
// The device memory of the executor: which addresses are allocated, which sectors a launch touched,
// and whether two blocks of a launch met at one of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lk::simt {

class GlobalMemory {
 public:
  // Sectors count from the start of an allocation, which a device aligns to far more.
  void add(void* block, size_t bytes);
  void remove(void* block);

  // Forgets what earlier launches touched.
  void begin_launch();

  enum class Finding { kNone, kOutside, kRace };
  // Block `block` of the grid (counted from 1) reads or writes bytes. kRace: another block of this
  // launch writes what this one reads or writes; nothing orders the blocks of a launch.
  Finding touch(const void* data, size_t bytes, bool write, uint32_t block);

  int64_t touched_read_bytes() const { return read_sectors_ * kSector; }
  int64_t touched_write_bytes() const { return written_sectors_ * kSector; }

 private:
  static constexpr int kSector = 32;  // bytes that move over the memory bus together
  static constexpr size_t kPage = 1024, kCell = 2;
  static constexpr uint32_t kMany = 0xFFFFFFFFu;

  // What this launch did to kPage bytes. Made on first use, and emptied on the first use in another
  // launch.
  struct Page {
    std::atomic<uint32_t> launch{0};
    std::atomic_flag busy = ATOMIC_FLAG_INIT;
    std::atomic<uint32_t> read_sectors, written_sectors;  // a bit a sector
    std::atomic<uint32_t> writer[kPage / kCell], reader[kPage / kCell];  // blocks, 0: none
  };
  struct Allocation {
    uintptr_t first, last;
    std::unique_ptr<std::atomic<Page*>[]> pages;
    ~Allocation();
  };

  const Allocation* find(uintptr_t address) const;
  Page& page_of(const Allocation& allocation, size_t index);
  bool touch_cells(Page& page, size_t first, size_t last, bool write, uint32_t block);

  std::vector<std::unique_ptr<Allocation>> allocations_;  // ascending
  uint32_t launch_ = 0;
  std::atomic<int64_t> read_sectors_{0}, written_sectors_{0};
};

}  // namespace lk::simt
