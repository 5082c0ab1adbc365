// SPDX-FileCopyrightText: The Lorikeet authors
// SPDX-License-Identifier: Apache-2.0
//
#include "shared_memory.h"

#include <cstring>

namespace lk::simt {

std::string place(const Site& site) {
  // The room and the file name tell it: "attention/cuda.cu:123".
  std::string file = site.file_name();
  const size_t slash = file.rfind('/');
  const size_t folder = slash == std::string::npos || slash == 0 ? slash : file.rfind('/', slash - 1);
  if (folder != std::string::npos) file = file.substr(folder + 1);
  return file + ":" + std::to_string(site.line());
}

void SharedMemory::begin_block(size_t bytes) {
  constexpr size_t kAlignment = 128;
  if (storage_.size() < bytes + kAlignment) storage_.resize(bytes + kAlignment);
  const auto address = reinterpret_cast<uintptr_t>(storage_.data());
  data_ = storage_.data() + (kAlignment - address % kAlignment) % kAlignment;
  bytes_ = bytes;
  std::memset(data_, 0xFF, bytes);
  if (cells_.size() < cells(bytes)) cells_.resize(cells(bytes));
  ++block_;
}

bool SharedMemory::is_inside(const void* data, size_t bytes) const {
  const auto offset = static_cast<size_t>(static_cast<const char*>(data) - data_);
  return offset < bytes_ && bytes <= bytes_ - offset && offset % bytes == 0;
}

bool SharedMemory::outside(const void* data, size_t bytes) {
  const auto offset = static_cast<const char*>(data) - data_;
  if (offset < 0 || offset + bytes > bytes_) {
    finding_ = "bytes [" + std::to_string(offset) + ", " + std::to_string(offset + bytes) +
               ") are outside the " + std::to_string(bytes_) + " bytes of shared memory";
  } else {
    finding_ = "byte " + std::to_string(offset) + " of shared memory is not aligned to the " +
               std::to_string(bytes) + " bytes of the access";
  }
  return false;
}

SharedMemory::Cell& SharedMemory::cell(size_t index) {
  Cell& cell = cells_[index];
  if (cell.block != block_) {
    cell = {};
    cell.block = block_;
    cell.writer = cell.reader = kNobody;
  }
  return cell;
}

bool SharedMemory::is_written_before(const Cell& cell, const Toucher& who) {
  if (cell.arriving) return false;
  return cell.write_epoch < who.epoch || cell.writer == who.thread || cell.writer == kNobody ||
         (cell.writer_warp == who.warp && cell.write_warp_epoch < who.warp_epoch);
}

bool SharedMemory::is_read_before(const Cell& cell, const Toucher& who) {
  return cell.read_epoch < who.epoch || cell.reader == who.thread || cell.reader == kNobody ||
         (cell.reader_warp == who.warp && cell.read_warp_epoch < who.warp_epoch);
}

bool SharedMemory::unordered_write(const Cell& cell, const Toucher& who, const Site& site,
                                   const char* what) {
  if (cell.arriving) {
    finding_ = std::string(what) + " shared memory that an asynchronous copy of " +
               place(cell.write_site) + " is still on its way to (at " + place(site) + ")";
  } else {
    finding_ = "race: thread " + std::to_string(who.thread) + " " + what + " at " + place(site) +
               " what thread " + std::to_string(cell.writer) + " writes at " +
               place(cell.write_site) + ", with no barrier between";
  }
  return false;
}

bool SharedMemory::unordered_read(const Cell& cell, const Toucher& who, const Site& site) {
  finding_ = "race: thread " + std::to_string(who.thread) + " writes at " + place(site) +
             " what another thread reads at " + place(cell.read_site) + ", with no barrier between";
  return false;
}

bool SharedMemory::unwritten(size_t index, const Site& site) {
  finding_ = "reads byte " + std::to_string(index * kCell) +
             " of shared memory, which nobody wrote, at " + place(site);
  return false;
}

bool SharedMemory::read(const void* data, size_t bytes, const Toucher& who, const Site& site) {
  if (!is_inside(data, bytes)) return outside(data, bytes);
  const size_t first = first_cell(data);
  for (size_t i = first; i < first + cells(bytes); ++i) {
    Cell& c = cell(i);
    if (c.writer == kNobody && !c.arriving) return unwritten(i, site);
    if (!is_written_before(c, who)) return unordered_write(c, who, site, "reads");
    if (c.reader == who.thread && c.read_epoch == who.epoch && c.read_warp_epoch == who.warp_epoch) {
      continue;
    }
    const bool same_time = c.reader != kNobody && c.read_epoch == who.epoch;
    const bool others = same_time && c.reader != who.thread;
    c.reader_warp = same_time && c.reader_warp != who.warp ? kMany : who.warp;
    c.reader = others ? kMany : who.thread;
    c.read_epoch = who.epoch;
    c.read_warp_epoch = who.warp_epoch;
    c.read_site = site;
  }
  return true;
}

bool SharedMemory::write(const void* data, size_t bytes, const Toucher& who, const Site& site) {
  if (!is_inside(data, bytes)) return outside(data, bytes);
  const size_t first = first_cell(data);
  for (size_t i = first; i < first + cells(bytes); ++i) {
    Cell& c = cell(i);
    if (!is_written_before(c, who)) return unordered_write(c, who, site, "writes");
    if (!is_read_before(c, who)) return unordered_read(c, who, site);
    c.writer = who.thread;
    c.writer_warp = who.warp;
    c.write_epoch = who.epoch;
    c.write_warp_epoch = who.warp_epoch;
    c.write_site = site;
  }
  return true;
}

bool SharedMemory::begin_copy(const void* data, size_t bytes, const Toucher& who,
                              const Site& site) {
  if (!write(data, bytes, who, site)) return false;
  const size_t first = first_cell(data);
  for (size_t i = first; i < first + cells(bytes); ++i) cell(i).arriving = true;
  return true;
}

void SharedMemory::end_copy(const void* data, size_t bytes, const Toucher& who) {
  const size_t first = first_cell(data);
  for (size_t i = first; i < first + cells(bytes); ++i) {
    Cell& c = cell(i);
    c.arriving = false;
    c.write_epoch = who.epoch;
    c.write_warp_epoch = who.warp_epoch;
  }
}

}  // namespace lk::simt
