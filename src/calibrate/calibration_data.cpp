#include "calibrate/calibration_data.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "formats/json.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_line(const std::string& where) {
  fail("{}: a line of calibration text has a string \"text\", or is a question of ARC with its answerKey",
       where);
}

/// "Question: ...\nAnswer: ..." of a line of ARC, as it is asked when scored.
std::string arc_text(const nlohmann::json& line, const std::string& where) {
  try {
    const auto& question = line.at("question");
    const auto& key = line.at("answerKey").get_ref<const std::string&>();
    for (const auto& choice : question.at("choices")) {
      if (choice.at("label").get_ref<const std::string&>() != key) continue;
      return "Question: " + question.at("stem").get<std::string>() +
             "\nAnswer: " + choice.at("text").get<std::string>();
    }
  } catch (const nlohmann::json::exception&) {
  }
  fail_line(where);
}

std::string line_text(const nlohmann::json& line, const std::string& where) {
  const auto text = line.find("text");
  if (text == line.end()) return arc_text(line, where);
  if (!text->is_string()) fail_line(where);
  return text->get<std::string>();
}

std::vector<std::string> json_lines(const fs::path& path) {
  const std::string content = read_file(path);
  std::vector<std::string> documents;
  size_t number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line = std::string_view(content).substr(begin, end - begin);
    ++number;
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    documents.push_back(line_text(parse_json_object(line, where), where) + "\n\n");
  }
  return documents;
}

std::vector<std::string> arc_documents(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().ends_with("-Train.jsonl")) files.push_back(entry.path());
  }
  if (files.empty()) {
    fail("--calibration {}: a directory must hold ARC's *-Train.jsonl; name a text file, or 'self'",
         directory.string());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> documents;
  for (const fs::path& file : files) {
    std::vector<std::string> lines = json_lines(file);
    std::move(lines.begin(), lines.end(), std::back_inserter(documents));
  }
  return documents;
}

std::vector<std::string> read_documents(const fs::path& source) {
  if (fs::is_directory(source)) return arc_documents(source);
  if (source.extension() == ".jsonl") return json_lines(source);
  return {read_text_file(source)};
}

std::vector<int32_t> tokenize(const std::vector<std::string>& documents, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const std::string& document : documents) {
    const auto more = tokenizer.encode(document, {.add_special = false});
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

}  // namespace

CalibrationData read_calibration(const CalibrationOptions& options, const Tokenizer& tokenizer) {
  const std::vector<int32_t> ids = tokenize(read_documents(options.source), tokenizer);
  const uint64_t length = options.tokens, count = options.sequences, needed = length * count;
  if (ids.size() < needed) {
    fail(
        "{}: the text has {} tokens, but {} sequences of {} need {}: give a longer text, or lower "
        "--calibration-sequences or --calibration-tokens",
        options.source, ids.size(), count, length, needed);
  }
  CalibrationData data{options.source, {}};
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  for (uint64_t i = 0; i < count; ++i) {
    // Whole strides, so that sequences never share text.
    const auto begin = ids.begin() + int64_t(ids.size() / count * i);
    std::vector<int32_t>& sequence = data.sequences.emplace_back(begin, begin + int64_t(length));
    if (vocabulary.add_bos && vocabulary.bos) sequence.front() = *vocabulary.bos;
  }
  return data;
}

}  // namespace nibble
