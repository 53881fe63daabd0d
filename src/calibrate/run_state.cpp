#include "calibrate/run_state.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/checksum.h"
#include "base/error.h"
#include "base/progress.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kMagic = "nibble run state 1\n";
/// Magic, hash and the JSON's size, both as 16 hexadecimal digits and a line's end.
constexpr size_t kNumberLine = 17, kHeader = kMagic.size() + 2 * kNumberLine;

std::string number_line(uint64_t number) {
  return fmt::format("{:016x}\n", number);
}

uint64_t read_number(std::string_view line) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + kNumberLine - 1, number, 16);
  if (error != std::errc() || *end != '\n') fail("its header is not one");
  return number;
}

void say(const std::string& line) {
  if (!Progress::quiet()) fmt::print(stderr, "{}\n", line);
}

/// How the first differing line tells two jobs apart.
std::string difference(const RunState::Job& earlier, const RunState::Job& now) {
  for (size_t i = 0; i < std::min(earlier.size(), now.size()); ++i) {
    if (earlier[i] != now[i])
      return fmt::format("the earlier run has '{}', this one '{}'", earlier[i], now[i]);
  }
  return earlier.size() == now.size() ? "" : "the earlier run has other options";
}

/// The state is in order, but not to be used.
class OtherJob : public Error {
 public:
  using Error::Error;
};

}  // namespace

RunState::RunState(const fs::path& target, Job job, bool resume)
    : partial_(OutputFile::partial(target)), job_(std::move(job)) {
  lock_.emplace(partial_);
  std::error_code ignored;
  if (!fs::exists(state_path(), ignored)) return;
  try {
    if (!resume) throw OtherJob("--no-resume was given");
    read();
  } catch (const OtherJob& error) {
    forget();
    begin_anew(error.what());
  } catch (const std::exception& error) {
    forget();
    begin_anew(fmt::format("it is damaged ({})", error.what()));
  }
}

RunState::~RunState() {
  std::error_code ignored;
  if (!fs::exists(state_path(), ignored)) fs::remove(partial_, ignored);
}

fs::path RunState::state_path() const {
  fs::path path = partial_;
  return path += ".state";
}

void RunState::read() {
  const MappedFile file(state_path());
  const std::string_view all(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (!all.starts_with(kMagic) || all.size() < kHeader) fail("its header is not one");
  const uint64_t hash = read_number(all.substr(kMagic.size()));
  if (fnv1a(file.bytes().subspan(kMagic.size() + kNumberLine)) != hash) fail("its checksum differs");
  const uint64_t json_size = read_number(all.substr(kMagic.size() + kNumberLine));
  if (json_size > all.size() - kHeader) fail("it is cut short");
  const json header = json::parse(all.substr(kHeader, json_size));
  const auto job = header.at("job").get<Job>();
  if (job != job_) throw OtherJob(difference(job, job_));
  std::string_view rest = all.substr(kHeader + json_size);
  for (const json& array : header.at("arrays")) {
    const auto size = array.at("size").get<uint64_t>();
    if (size > rest.size() / sizeof(float)) fail("it is cut short");
    std::vector<float>& values = values_[array.at("name").get<std::string>()];
    values.resize(size);
    if (size > 0) std::memcpy(values.data(), rest.data(), size * sizeof(float));
    rest.remove_prefix(size * sizeof(float));
  }
  layers_ = header.at("layers").get<uint32_t>();
  details_ = header.at("details");
  const json& calibration = header.at("calibration");
  calibration_ = CalibrationData{calibration.at("source").get<std::string>(),
                                 calibration.at("sequences").get<std::vector<std::vector<int32_t>>>()};
}

void RunState::set_calibration(CalibrationData calibration, bool keep) {
  calibration_ = std::move(calibration);
  if (keep) save(0, {}, {});
}

std::vector<float> RunState::take(const std::string& name, size_t size) {
  std::vector<float> values = std::move(values_[name]);
  if (values.size() != size) {
    fail("{}: it has {} values of {}, where {} are needed; use --no-resume", state_path().string(),
         values.size(), name, size);
  }
  return values;
}

void RunState::save(uint32_t layers, json details, const Arrays& arrays) {
  json header = {
      {"job", job_}, {"layers", layers}, {"details", std::move(details)}, {"arrays", json::array()}};
  header["calibration"] = {{"source", calibration_->source}, {"sequences", calibration_->sequences}};
  uint64_t size = kHeader;
  for (const auto& [name, values] : arrays) {
    header["arrays"].push_back({{"name", name}, {"size", values.size()}});
    size += values.size_bytes();
  }
  const std::string text = header.dump();
  OutputFile file(state_path());
  file.plan(size + text.size());
  file.write(kMagic);
  file.write(number_line(0));
  uint64_t hash = kFnv1aBasis;
  const auto append = [&](std::span<const std::byte> bytes) {
    hash = fnv1a(bytes, hash);
    file.write(bytes);
  };
  const std::string text_size = number_line(text.size());
  append(std::as_bytes(std::span(text_size)));
  append(std::as_bytes(std::span(text)));
  for (const auto& [name, values] : arrays) append(std::as_bytes(values));
  const std::string line = number_line(hash);
  file.write_at(kMagic.size(), std::as_bytes(std::span(line)));
  file.commit();
}

void RunState::forget() {
  calibration_.reset();
  layers_ = 0;
  details_ = {};
  values_.clear();
}

void RunState::begin_anew(const std::string& why) {
  say(fmt::format("{} is not used, the run begins anew: {}", state_path().string(), why));
  layers_ = 0;
  details_ = {};
  values_.clear();
  if (calibration_) {
    save(0, {}, {});
  } else {
    fs::remove(state_path());
  }
}

/// Also what a killed run left of a state that it was writing, where the file system has no O_TMPFILE.
void RunState::remove() {
  const std::string state = state_path().filename().string();
  const fs::path directory = partial_.has_parent_path() ? partial_.parent_path() : fs::path(".");
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name == state || (name.starts_with(state + ".") && name.ends_with(".partial"))) {
      fs::remove(entry.path(), ignored);
    }
  }
  fs::remove(partial_, ignored);
}

void RunState::announce(uint32_t layers) const {
  if (layers_ == layers) return say(fmt::format("Resuming behind the last of {} layers", layers));
  say(fmt::format("Resuming at layer {} of {}", layers_ + 1, layers));
}

}  // namespace nibble
