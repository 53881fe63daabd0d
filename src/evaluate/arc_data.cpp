#include "evaluate/arc_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "evaluate/bundled_questions.h"
#include "evaluate/statistics.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSetFiles[] = {"ARC-Easy-Test.jsonl", "ARC-Challenge-Test.jsonl"};

/// Reads the fields of one line; every complaint names the file and the line.
class LineReader {
 public:
  LineReader(std::string_view line, std::string where) : where_(std::move(where)) {
    line_ = json::parse(line, nullptr, false);
    if (line_.is_discarded()) complain("not valid JSON; each line is one question");
  }

  ArcQuestion question(const std::string& set) const {
    const json& question = member(line_, "question", "the line");
    ArcQuestion q{set, id(), text(question, "stem", "question"), {}, 0};
    const json& choices = member(question, "choices", "question");
    if (!choices.is_array() || choices.size() < 3 || choices.size() > 5) {
      complain("question.choices must be a list of 3 to 5 choices");
    }
    for (const json& choice : choices) {
      q.choices.push_back({text(choice, "label", "a choice"), text(choice, "text", "a choice")});
    }
    q.gold = gold(q.choices);
    return q;
  }

 private:
  [[noreturn]] void complain(const std::string& what) const { fail("{}: {}", where_, what); }

  const json& member(const json& object, const char* key, const char* owner) const {
    if (!object.is_object() || !object.contains(key)) complain(fmt::format("{} has no \"{}\"", owner, key));
    return object[key];
  }

  std::string text(const json& object, const char* key, const char* owner) const {
    const json& value = member(object, key, owner);
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      complain(fmt::format("\"{}\" of {} must be text that is not empty", key, owner));
    }
    return value.get<std::string>();
  }

  std::string id() const { return text(line_, "id", "the line"); }

  size_t gold(const std::vector<ArcChoice>& choices) const {
    std::set<std::string> labels;
    for (const ArcChoice& choice : choices) {
      if (choice.label.size() != 1 || std::isalnum(static_cast<unsigned char>(choice.label[0])) == 0) {
        complain(fmt::format("label \"{}\" is neither a letter nor a digit", choice.label));
      }
      if (!labels.insert(choice.label).second)
        complain(fmt::format("label \"{}\" stands twice", choice.label));
    }
    const std::string key = text(line_, "answerKey", "the line");
    const auto found =
        std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return c.label == key; });
    if (found == choices.end()) complain(fmt::format("answerKey \"{}\" is not the label of a choice", key));
    return size_t(found - choices.begin());
  }

  std::string where_;
  json line_;
};

std::string set_name(const fs::path& file) {
  std::string name = file.stem().string();
  for (const std::string_view suffix : {"-Test", "-Train", "-Dev"}) {
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  }
  return name;
}

/// The directory's two test files, or nothing when one is missing.
std::vector<fs::path> test_files(const fs::path& directory) {
  for (const fs::path& base : {directory, directory / "arc"}) {
    std::vector<fs::path> files;
    for (const char* name : kSetFiles) {
      if (fs::is_regular_file(base / name)) files.push_back(base / name);
    }
    if (files.size() == std::size(kSetFiles)) return files;
  }
  return {};
}

ArcData load_files(const std::string& source, const std::vector<fs::path>& files) {
  ArcData data{source, {}};
  for (const fs::path& file : files) {
    auto questions = parse_arc(read_file(file), file.string(), set_name(file));
    std::move(questions.begin(), questions.end(), std::back_inserter(data.questions));
  }
  return data;
}

uint64_t sampling_hash(std::string_view id, uint64_t seed) {
  uint64_t state = 0xcbf29ce484222325u;  // FNV-1a over the id, then mixed with the seed
  for (const char c : id) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  state += seed * 0x9e3779b97f4a7c15u;
  return splitmix64(state);
}

/// How many of each set to take: in proportion, the places that rounding leaves go to the largest
/// remainders.
std::vector<uint64_t> allocate(const std::vector<size_t>& sizes, uint64_t total, uint64_t limit) {
  std::vector<uint64_t> counts;
  std::vector<std::pair<uint64_t, size_t>> remainders;
  uint64_t given = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    counts.push_back(sizes[i] * limit / total);
    remainders.emplace_back(sizes[i] * limit % total, i);
    given += counts.back();
  }
  std::stable_sort(remainders.begin(), remainders.end(), [](auto& a, auto& b) { return a.first > b.first; });
  for (size_t i = 0; given < limit; ++i, ++given) ++counts[remainders[i].second];
  return counts;
}

std::string with_commas(size_t n) {
  std::string digits = std::to_string(n);
  for (auto at = int64_t(digits.size()) - 3; at > 0; at -= 3) digits.insert(size_t(at), ",");
  return digits;
}

}  // namespace

std::vector<ArcQuestion> parse_arc(std::string_view jsonl, const std::string& name, const std::string& set) {
  std::vector<ArcQuestion> questions;
  for (size_t begin = 0, number = 1; begin < jsonl.size(); ++number) {
    const size_t end = std::min(jsonl.find('\n', begin), jsonl.size());
    const std::string_view line = jsonl.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    questions.push_back(LineReader(line, fmt::format("{}:{}", name, number)).question(set));
  }
  if (questions.empty()) fail("{}: no questions in it; each line is one question as JSON", name);
  return questions;
}

ArcData load_arc(const fs::path& path) {
  if (!fs::exists(path)) fail("{}: no such file or directory; give ARC questions as .jsonl", path.string());
  if (!fs::is_directory(path)) return load_files(path.string(), {path});
  const auto files = test_files(path);
  if (files.empty()) {
    fail("{}: has no {} and {}, neither itself nor in arc/", path.string(), kSetFiles[0], kSetFiles[1]);
  }
  return load_files(path.string(), files);
}

fs::path data_folder() {
  const char* named = std::getenv("NIBBLE_DATA");
  return named != nullptr && *named != '\0' ? named : "../shared/data";
}

ArcData find_arc(const std::optional<fs::path>& path) {
  if (path) return load_arc(*path);
  const fs::path folder = data_folder();
  if (const auto files = test_files(folder); !files.empty()) return load_files(folder.string(), files);
  constexpr const char* kSource = "the science questions that come with nibble";
  return {kSource, parse_arc(bundled_questions(), kSource, "science")};
}

std::vector<ArcQuestion> sample_arc(const std::vector<ArcQuestion>& questions, uint64_t limit,
                                    uint64_t seed) {
  if (limit == 0 || limit >= questions.size()) return questions;
  std::map<std::string, std::vector<size_t>> sets;
  for (size_t i = 0; i < questions.size(); ++i) sets[questions[i].set].push_back(i);
  std::vector<size_t> sizes;
  for (const auto& [name, members] : sets) sizes.push_back(members.size());
  const std::vector<uint64_t> counts = allocate(sizes, questions.size(), limit);

  std::vector<size_t> chosen;
  size_t set = 0;
  for (auto& [name, members] : sets) {
    const auto rank = [&](size_t i) {
      return std::pair(sampling_hash(questions[i].id, seed), questions[i].id);
    };
    std::sort(members.begin(), members.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
    chosen.insert(chosen.end(), members.begin(), members.begin() + int64_t(counts[set++]));
  }
  std::sort(chosen.begin(), chosen.end());
  std::vector<ArcQuestion> sample;
  for (const size_t i : chosen) sample.push_back(questions[i]);
  return sample;
}

std::string arc_context(const ArcQuestion& question) {
  return fmt::format("Question: {}\nAnswer:", question.stem);
}

std::string describe_sample(size_t sampled, size_t total, uint64_t seed) {
  if (sampled >= total) return fmt::format("all {} questions", with_commas(total));
  return fmt::format("{} of {} questions, seed {}", with_commas(sampled), with_commas(total), seed);
}

}  // namespace nibble
