// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
#include "global_memory.h"

#include <algorithm>

namespace lk::simt {

GlobalMemory::Allocation::~Allocation() {
  const size_t count = (last - first + kPage - 1) / kPage;
  for (size_t i = 0; i < count; ++i) delete pages[i].load();
}

void GlobalMemory::add(void* block, size_t bytes) {
  auto allocation = std::make_unique<Allocation>();
  allocation->first = reinterpret_cast<uintptr_t>(block);
  allocation->last = allocation->first + bytes;
  const size_t pages = (bytes + kPage - 1) / kPage;
  allocation->pages = std::make_unique<std::atomic<Page*>[]>(pages);
  const auto place = std::lower_bound(
      allocations_.begin(), allocations_.end(), allocation->first,
      [](const auto& entry, uintptr_t address) { return entry->first < address; });
  allocations_.insert(place, std::move(allocation));
}

void GlobalMemory::remove(void* block) {
  const auto first = reinterpret_cast<uintptr_t>(block);
  const auto found = std::find_if(allocations_.begin(), allocations_.end(),
                                  [&](const auto& entry) { return entry->first == first; });
  if (found != allocations_.end()) allocations_.erase(found);
}

void GlobalMemory::begin_launch() {
  ++launch_;
  read_sectors_ = 0;
  written_sectors_ = 0;
}

const GlobalMemory::Allocation* GlobalMemory::find(uintptr_t address) const {
  const auto after = std::upper_bound(
      allocations_.begin(), allocations_.end(), address,
      [](uintptr_t wanted, const auto& entry) { return wanted < entry->first; });
  return after == allocations_.begin() ? nullptr : (after - 1)->get();
}

GlobalMemory::Page& GlobalMemory::page_of(const Allocation& allocation, size_t index) {
  std::atomic<Page*>& slot = allocation.pages[index];
  Page* page = slot.load();
  if (page == nullptr) {
    auto made = std::make_unique<Page>();
    if (slot.compare_exchange_strong(page, made.get())) page = made.release();
  }
  if (page->launch.load() != launch_) {
    while (page->busy.test_and_set()) {
    }
    if (page->launch.load() != launch_) {
      page->read_sectors = 0;
      page->written_sectors = 0;
      for (auto& writer : page->writer) writer.store(0, std::memory_order_relaxed);
      for (auto& reader : page->reader) reader.store(0, std::memory_order_relaxed);
      page->launch = launch_;
    }
    page->busy.clear();
  }
  return *page;
}

// A block first says what it does and then looks at what others did, so that of two that run at the
// same time at least one sees the other.
bool GlobalMemory::touch_cells(Page& page, size_t first, size_t last, bool write, uint32_t block) {
  bool race = false;
  for (size_t i = first / kCell; i <= (last - 1) / kCell; ++i) {
    if (write) {
      uint32_t writer = page.writer[i].load();
      if (writer != block) writer = page.writer[i].exchange(block);
      const uint32_t reader = page.reader[i].load();
      race |= (writer != 0 && writer != block) || (reader != 0 && reader != block);
    } else {
      const uint32_t reader = page.reader[i].load();
      if (reader != block && reader != kMany) page.reader[i].exchange(reader == 0 ? block : kMany);
      const uint32_t writer = page.writer[i].load();
      race |= writer != 0 && writer != block;
    }
  }
  return race;
}

GlobalMemory::Finding GlobalMemory::touch(const void* data, size_t bytes, bool write,
                                          uint32_t block) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  const Allocation* allocation = find(address);
  if (allocation == nullptr || address + bytes > allocation->last) return Finding::kOutside;
  bool race = false;
  for (size_t at = address - allocation->first, end = at + bytes; at < end;) {
    Page& page = page_of(*allocation, at / kPage);
    const size_t first = at % kPage, last = std::min(kPage, first + (end - at));
    std::atomic<uint32_t>& sectors = write ? page.written_sectors : page.read_sectors;
    for (size_t sector = first / kSector; sector <= (last - 1) / kSector; ++sector) {
      const uint32_t bit = uint32_t{1} << sector;
      if ((sectors.load() & bit) == 0 && (sectors.fetch_or(bit) & bit) == 0) {
        ++(write ? written_sectors_ : read_sectors_);
      }
    }
    race |= touch_cells(page, first, last, write, block);
    at += last - first;
  }
  return race ? Finding::kRace : Finding::kNone;
}

}  // namespace lk::simt
