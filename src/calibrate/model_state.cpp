#include "calibrate/model_state.h"

#include <fmt/format.h>

#include <string>

#include "base/error.h"

namespace nibble {

namespace {

/// The checksum of bytes [begin, end) of a file. Throws Error when it is shorter.
uint64_t file_hash(const std::filesystem::path& path, uint64_t begin, uint64_t end, uint64_t hash) {
  if (begin == end) return hash;
  const MappedFile file(path);
  if (end > file.bytes().size()) fail("{} is cut short", path.string());
  return fnv1a(file.bytes().subspan(begin, end - begin), hash);
}

}  // namespace

ModelState::ModelState(RunState* state, const std::filesystem::path& output)
    : state_(state), partial_(OutputFile::partial(output)) {
  if (layers() == 0) return;
  try {
    const nlohmann::json& part = state_->details();
    const auto begin = part.at("begin").get<uint64_t>();
    end_ = part.at("end").get<uint64_t>();
    hash_ = std::stoull(part.at("hash").get<std::string>(), nullptr, 16);
    tensors_ = part.at("tensors").size();
    if (file_hash(partial_, begin, end_, kFnv1aBasis) == hash_) return;
    state_->begin_anew(fmt::format("{} is damaged", partial_.string()));
  } catch (const std::exception& error) {
    state_->begin_anew(error.what());
  }
  tensors_ = 0;
  end_ = 0;
  hash_ = kFnv1aBasis;
}

void ModelState::restore(TensorTypes& types) const {
  if (tensors_ > 0) types.restore(state_->details().at("tensors"));
}

void ModelState::restore(std::span<CalibrationRun* const> runs, uint32_t layers_of_model) {
  if (layers() == 0) return;
  for (size_t i = 0; i < runs.size(); ++i) runs[i]->take_from(*state_, fmt::format("hidden.{}", i));
  state_->announce(layers_of_model);
}

void ModelState::save(uint32_t layers, std::span<const TensorView* const> written, const TensorTypes& types,
                      GgufWriter& file, std::span<CalibrationRun* const> runs) {
  if (state_ == nullptr) return;
  file.sync();
  hash_ = file_hash(partial_, end_ == 0 ? file.data_begin() : end_, file.bytes_written(), hash_);
  end_ = file.bytes_written();
  RunState::Arrays arrays;
  for (size_t i = 0; i < runs.size(); ++i) runs[i]->save_to(arrays, fmt::format("hidden.{}", i));
  state_->save(layers,
               {{"begin", file.data_begin()},
                {"end", end_},
                {"hash", fmt::format("{:016x}", hash_)},
                {"tensors", types.save(written)}},
               arrays);
}

void ModelState::remove() {
  if (state_ != nullptr) state_->remove();
}

}  // namespace nibble
