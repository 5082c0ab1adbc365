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
  const size_t cells = (bytes + kCell - 1) / kCell;
  if (cells_.size() < cells) cells_.resize(cells);
  ++block_;
}

std::string SharedMemory::range(const void* data, size_t bytes, size_t& first, size_t& last) const {
  const auto offset = static_cast<const char*>(data) - data_;
  if (offset < 0 || offset + bytes > bytes_) {
    return "bytes [" + std::to_string(offset) + ", " + std::to_string(offset + bytes) +
           ") are outside the " + std::to_string(bytes_) + " bytes of shared memory";
  }
  if (offset % bytes != 0) {
    return "byte " + std::to_string(offset) + " of shared memory is not aligned to the " +
           std::to_string(bytes) + " bytes of the access";
  }
  first = offset / kCell;
  last = (offset + bytes - 1) / kCell;
  return "";
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

std::string SharedMemory::check_unordered_writer(const Cell& cell, const Toucher& who,
                                                 const Site& site, const char* what) const {
  if (cell.arriving) {
    return std::string(what) + " shared memory that an asynchronous copy of " +
           place(cell.write_site) + " is still on its way to (at " + place(site) + ")";
  }
  if (cell.writer == kNobody || cell.writer == who.thread) return "";
  const bool ordered = cell.write_epoch < who.epoch ||
                       (cell.writer_warp == who.warp && cell.write_warp_epoch < who.warp_epoch);
  if (ordered) return "";
  return "race: thread " + std::to_string(who.thread) + " " + what + " at " + place(site) +
         " what thread " + std::to_string(cell.writer) + " writes at " + place(cell.write_site) +
         ", with no barrier between";
}

std::string SharedMemory::check_unordered_reader(const Cell& cell, const Toucher& who,
                                                 const Site& site) const {
  if (cell.reader == kNobody || cell.reader == who.thread || cell.read_epoch < who.epoch) return "";
  if (cell.reader_warp == who.warp && cell.read_warp_epoch < who.warp_epoch) return "";
  return "race: thread " + std::to_string(who.thread) + " writes at " + place(site) +
         " what another thread reads at " + place(cell.read_site) + ", with no barrier between";
}

std::string SharedMemory::read(const void* data, size_t bytes, const Toucher& who,
                               const Site& site) {
  size_t first = 0, last = 0;
  std::string wrong = range(data, bytes, first, last);
  for (size_t i = first; wrong.empty() && i <= last; ++i) {
    Cell& c = cell(i);
    if (c.writer == kNobody && !c.arriving) {
      return "reads byte " + std::to_string(i * kCell) + " of shared memory, which nobody wrote, at " +
             place(site);
    }
    wrong = check_unordered_writer(c, who, site, "reads");
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
  return wrong;
}

std::string SharedMemory::write(const void* data, size_t bytes, const Toucher& who,
                                const Site& site) {
  size_t first = 0, last = 0;
  std::string wrong = range(data, bytes, first, last);
  for (size_t i = first; wrong.empty() && i <= last; ++i) {
    Cell& c = cell(i);
    wrong = check_unordered_writer(c, who, site, "writes");
    if (wrong.empty()) wrong = check_unordered_reader(c, who, site);
    c.writer = who.thread;
    c.writer_warp = who.warp;
    c.write_epoch = who.epoch;
    c.write_warp_epoch = who.warp_epoch;
    c.write_site = site;
  }
  return wrong;
}

std::string SharedMemory::begin_copy(const void* data, size_t bytes, const Toucher& who,
                                     const Site& site) {
  const std::string wrong = write(data, bytes, who, site);
  size_t first = 0, last = 0;
  if (range(data, bytes, first, last).empty()) {
    for (size_t i = first; i <= last; ++i) cell(i).arriving = true;
  }
  return wrong;
}

void SharedMemory::end_copy(const void* data, size_t bytes, const Toucher& who) {
  size_t first = 0, last = 0;
  if (!range(data, bytes, first, last).empty()) return;
  for (size_t i = first; i <= last; ++i) {
    Cell& c = cell(i);
    c.arriving = false;
    c.write_epoch = who.epoch;
    c.write_warp_epoch = who.warp_epoch;
  }
}

}  // namespace lk::simt
