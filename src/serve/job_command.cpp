#include "serve/job_command.h"

#include <array>
#include <charconv>
#include <regex>

#include "serve/api_error.h"
#include "serve/json_fields.h"

namespace nibble {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Option {
  const char *name, *flag;
};
constexpr std::array kQuantizeOptions = {Option{"type", "--type"}, Option{"method", "--method"},
                                         Option{"group", "--group"}, Option{"calibration", "--calibration"}};
constexpr std::array kOptimizeOptions = {
    Option{"max_size", "--max-size"},   Option{"max_memory", "--max-memory"},
    Option{"max_loss", "--max-loss"},   Option{"metric", "--metric"},
    Option{"min_speed", "--min-speed"}, Option{"calibration", "--calibration"}};

bool is_plain_name(const std::string& name) {
  static const std::regex kName("[A-Za-z0-9][A-Za-z0-9._+-]{0,119}");
  return std::regex_match(name, kName);
}

/// Where new models go: the directory of models, or beside the one they are made from.
fs::path output_directory(const ModelHub& models, const fs::path& model) {
  if (!models.directory().empty()) return models.directory();
  return model.parent_path().empty() ? "." : model.parent_path();
}

fs::path output_path(const JsonFields& fields, const fs::path& directory) {
  std::string name = fields.required_text("output");
  if (!is_plain_name(name)) {
    fail_field("output", "output must be a file's name of letters, digits, '.', '_', '+' and '-'");
  }
  if (!name.ends_with(".gguf")) name += ".gguf";
  const fs::path path = directory / name;
  if (fs::exists(path))
    throw ApiError(409, fmt::format("{} is there already: choose another name", name), "output");
  return path;
}

/// "self", or a text among the models.
std::string calibration(const std::string& value, const fs::path& directory) {
  if (value == "self") return value;
  if (!is_plain_name(value) || !fs::is_regular_file(directory / value)) {
    fail_field("options.calibration",
               "options.calibration must be self, or a text file in the models' directory");
  }
  return (directory / value).string();
}

std::string option_text(const Json& value, const std::string& name) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  fail_field("options." + name, "options.{} must be a text or a number", name);
}

/// Each as "--flag=value", so that no value can be taken for a flag.
template <size_t N>
void add_options(const Json& options, const std::array<Option, N>& known, const fs::path& directory,
                 JobPlan& plan) {
  for (const auto& [name, value] : options.items()) {
    if (value.is_null() || value == "") continue;
    const auto option =
        std::find_if(known.begin(), known.end(), [&](const Option& o) { return name == o.name; });
    if (option == known.end()) {
      std::string names;
      for (const Option& o : known) names += (names.empty() ? "" : ", ") + std::string(o.name);
      fail_field("options." + name, "{} has no option {}; there is {}", plan.kind, name, names);
    }
    std::string text = option_text(value, name);
    if (name == std::string("calibration")) text = calibration(text, directory);
    plan.arguments.push_back(std::string(option->flag) + "=" + text);
  }
}

/// "1m05s" in seconds.
std::optional<double> parse_time(const std::string& text) {
  double total = 0;
  int number = 0;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + (c - '0');
    } else if (c == 'h' || c == 'm' || c == 's') {
      total += number * (c == 'h' ? 3600.0 : c == 'm' ? 60.0 : 1.0);
      number = 0;
    } else {
      return {};
    }
  }
  return total;
}

}  // namespace

JobPlan plan_job(const Json& body, const ModelHub& models) {
  const JsonFields fields(body);
  JobPlan plan;
  plan.kind = fields.required_text("kind");
  plan.model = fields.required_text("model");
  if (plan.kind != "quantize" && plan.kind != "optimize") {
    fail_field("kind", "kind is '{}', but must be quantize or optimize", plan.kind);
  }
  const fs::path model = models.entry(plan.model).path;
  const fs::path directory = output_directory(models, model);
  plan.output = output_path(fields, directory);
  plan.arguments = {plan.kind, model.string(), "-o", plan.output.string()};
  const Json* options = fields.object("options");
  const Json none = Json::object();
  if (plan.kind == "quantize") {
    if (!options || !JsonFields(*options, "options.").text("type")) {
      fail_field("options.type", "options.type is missing: say what tensors become, such as q4_k_m");
    }
    add_options(*options, kQuantizeOptions, directory, plan);
  } else {
    plan.report = directory / (plan.output.stem().string() + "-report");
    plan.arguments.insert(plan.arguments.end(), {"--report", plan.report.string()});
    add_options(options ? *options : none, kOptimizeOptions, directory, plan);
  }
  return plan;
}

std::optional<JobProgress> parse_progress(const std::string& line) {
  static const std::regex kLine("(.+?): ([0-9]{1,3})%, [^,]+, (?:in )?([0-9hms]+)(?: left)?(?:, (.*))?");
  std::smatch parts;
  if (line.size() > 1000 || !std::regex_match(line, parts, kLine)) return {};
  JobProgress progress;
  progress.share = std::min(1.0, std::stoi(parts[2]) / 100.0);
  progress.message = parts[1];
  if (parts[4].length() > 0) progress.message += ", " + parts[4].str();
  progress.eta_s = line.find(" left") == std::string::npos ? 0 : parse_time(parts[3]);
  return progress;
}

}  // namespace nibble
