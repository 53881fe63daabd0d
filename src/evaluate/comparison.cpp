#include "evaluate/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

namespace nibble {

namespace {

using nlohmann::ordered_json;

/// Differences with a smaller p value are called real.
constexpr double kSignificance = 0.05;

SpeedFigure speed_figure(const ordered_json& list) {
  if (list.empty()) return {};
  const ordered_json& speed = list.front();
  const auto runs = speed.at("runs").get<std::vector<double>>();
  return {speed.at("tokens_per_s"), runs.front(), runs.back(), speed.at("of_roof"), speed.at("cpu_percent")};
}

AccuracyFigure accuracy_figure(const ordered_json& score) {
  return {score.value("set", ""),
          score.at("n"),
          {score.at("acc"), score.at("acc_stderr")},
          {score.at("acc_norm"), score.at("acc_norm_stderr")}};
}

std::string file_name(const std::string& path) {
  const std::filesystem::path p = std::filesystem::path(path).lexically_normal();
  const std::filesystem::path last = p.has_filename() ? p.filename() : p.parent_path().filename();
  return last.extension() == ".gguf" ? last.stem().string() : last.string();
}

/// What all names begin with, up to a '-' or '.', so that what is left of each still says something.
std::string common_beginning(const std::vector<ModelFigures>& models) {
  if (models.size() < 2) return {};
  std::string common = models.front().name;
  for (const ModelFigures& model : models) {
    const auto [end, ignored] =
        std::mismatch(common.begin(), common.end(), model.name.begin(), model.name.end());
    common.erase(end, common.end());
  }
  const size_t cut = common.find_last_of("-.");
  return cut == std::string::npos ? std::string() : common.substr(0, cut + 1);
}

void shorten_names(Comparison& comparison) {
  std::set<std::string> names;
  for (ModelFigures& model : comparison.models) {
    model.name = file_name(model.path);
    names.insert(model.name);
  }
  if (names.size() < comparison.models.size()) {
    for (ModelFigures& model : comparison.models) model.name = model.path;
    return;
  }
  const std::string common = common_beginning(comparison.models);
  for (ModelFigures& model : comparison.models) model.name.erase(0, common.size());
  comparison.family = common.substr(0, common.empty() ? 0 : common.size() - 1);
}

std::string times(double ratio) {
  return fmt::format("{:.{}f} times", ratio, ratio < 9.95 ? 1 : 0);
}

std::string size_sentence(const ModelFigures& model, const ModelFigures& first) {
  const double speed = first.decode.median > 0 ? model.decode.median / first.decode.median : 0;
  std::string text =
      fmt::format("{} takes {:.0f}% of {}'s memory ({} against {})", model.name,
                  100 * double(model.peak_rss_bytes) / double(first.peak_rss_bytes), first.name,
                  short_bytes(model.peak_rss_bytes), short_bytes(first.peak_rss_bytes));
  if (speed > 0) {
    text += fmt::format(" and decodes {} as fast ({:.1f} against {:.1f} tokens/s)", times(speed),
                        model.decode.median, first.decode.median);
  }
  return text;
}

std::string accuracy_sentence(const ModelFigures& model, const ModelFigures& first) {
  const PairedDifference& d = *model.difference;
  const std::string verdict =
      d.p < kSignificance ? "more than chance explains" : "within what chance explains";
  return fmt::format(
      "it answers {:.1f}% of the questions right against {:.1f}%, {:+.1f} ± {:.1f} points (p {}): {}",
      100 * model.accuracy.front().acc.mean, 100 * first.accuracy.front().acc.mean, 100 * d.difference.mean,
      100 * d.difference.standard_error, short_p(d.p), verdict);
}

bool clearly_worse(const ModelFigures& model) {
  return model.difference->p < kSignificance && model.difference->difference.mean < 0;
}

/// The smallest of the models that lose nothing that can be told.
std::string choice_sentence(const Comparison& comparison) {
  const ModelFigures* best = nullptr;
  for (const ModelFigures& model : comparison.models) {
    if (!model.difference || clearly_worse(model)) continue;
    if (best == nullptr || model.peak_rss_bytes < best->peak_rss_bytes) best = &model;
  }
  const ModelFigures& first = comparison.models.front();
  if (best == nullptr || best->peak_rss_bytes >= first.peak_rss_bytes) return {};
  return fmt::format("{} is the smallest without a loss that these {} questions can tell from chance.",
                     best->name, best->accuracy.front().n);
}

ordered_json difference_json(const PairedDifference& d) {
  return {{"acc", d.difference.mean},
          {"stderr", d.difference.standard_error},
          {"low", d.bootstrap.low},
          {"high", d.bootstrap.high},
          {"p", d.p},
          {"only_first_right", d.only_a},
          {"only_this_right", d.only_b}};
}

}  // namespace

std::string short_count(uint64_t n) {
  if (n < 1'000'000) return fmt::format("{:.0f} K", double(n) / 1e3);
  if (n < 1'000'000'000) return fmt::format("{:.0f} M", double(n) / 1e6);
  return fmt::format("{:.2f} B", double(n) / 1e9);
}

std::string short_bytes(uint64_t bytes) {
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", double(bytes) / 1e3);
  if (bytes < 1'000'000'000)
    return fmt::format("{:.{}f} MB", double(bytes) / 1e6, bytes < 100'000'000 ? 1 : 0);
  return fmt::format("{:.2f} GB", double(bytes) / 1e9);
}

std::string short_p(double p) {
  return p < 0.001 ? "< 0.001" : fmt::format("{:.{}f}", p, p < 0.1 ? 3 : 2);
}

ModelFigures figures_from_json(const ordered_json& report) {
  ModelFigures figures;
  figures.source = report;
  figures.path = report.at("model");
  figures.error = report.value("error", "");
  if (!figures.error.empty()) return figures;
  figures.parameters = report.at("parameters");
  figures.file_bytes = report.at("file_bytes");
  figures.bits_per_weight = report.at("bits_per_weight");
  figures.load_s = report.at("load_s");
  figures.peak_rss_bytes = report.at("peak_rss_bytes");
  figures.read_gb_s = report.at("roof").at("read_gb_s");
  figures.int8_gops = report.at("roof").at("int8_gops");
  figures.prefill = speed_figure(report.at("prefill"));
  figures.decode = speed_figure(report.at("decode"));
  if (!report.contains("arc")) return figures;
  const ordered_json& arc = report.at("arc");
  figures.accuracy.push_back(accuracy_figure(arc));
  for (const ordered_json& set : arc.at("sets")) figures.accuracy.push_back(accuracy_figure(set));
  for (const ordered_json& question : arc.at("questions")) {
    figures.correct.push_back(question.at("pred") == question.at("gold"));
  }
  return figures;
}

void complete_comparison(Comparison& comparison) {
  shorten_names(comparison);
  const std::vector<bool>& first = comparison.models.front().correct;
  for (size_t i = 1; i < comparison.models.size(); ++i) {
    ModelFigures& model = comparison.models[i];
    if (first.empty() || model.correct.size() != first.size()) continue;
    model.difference = compare_paired(first, model.correct, comparison.run.seed);
  }
}

std::vector<std::string> findings(const Comparison& comparison) {
  std::vector<std::string> sentences;
  const ModelFigures& first = comparison.models.front();
  if (!first.error.empty()) return sentences;
  if (const std::string choice = choice_sentence(comparison); !choice.empty()) sentences.push_back(choice);
  for (size_t i = 1; i < comparison.models.size(); ++i) {
    const ModelFigures& model = comparison.models[i];
    if (!model.error.empty()) continue;
    std::string sentence = size_sentence(model, first);
    if (model.difference) sentence += "; " + accuracy_sentence(model, first);
    sentences.push_back(sentence + ".");
  }
  return sentences;
}

ordered_json to_json(const Comparison& comparison) {
  const RunInfo& run = comparison.run;
  ordered_json json = {{"nibble", run.version},
                       {"date", run.date},
                       {"machine", {{"cpu", run.cpu}, {"physical_cores", run.physical_cores}}},
                       {"isa", run.isa},
                       {"threads", run.threads},
                       {"prompt", run.prompt},
                       {"generate", run.generate},
                       {"repeat", run.repeat},
                       {"arc", {{"questions", run.questions}, {"style", run.arc_style}}},
                       {"command", run.command},
                       {"note", run.note},
                       {"findings", findings(comparison)},
                       {"models", ordered_json::array()}};
  for (const ModelFigures& model : comparison.models) {
    ordered_json one = {{"name", model.name}};
    one.update(model.source);
    if (model.difference) one["difference_from_first"] = difference_json(*model.difference);
    json["models"].push_back(one);
  }
  return json;
}

}  // namespace nibble
