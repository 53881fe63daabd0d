#include <fmt/format.h>
#include <unistd.h>

#include "base/cpu.h"
#include "cli/inspect_report.h"
#include "cli/terminal.h"

namespace nibble {

namespace {

std::string heading(const std::string& text) {
  return styled(text, Ink::bold, colours_on(STDOUT_FILENO));
}

/// "134.5 M", "6.74 B".
std::string readable_count(uint64_t count) {
  const double n = double(count);
  if (n >= 1e9) return fmt::format("{:.2f} B", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} M", n / 1e6);
  if (n >= 1e3) return fmt::format("{:.1f} k", n / 1e3);
  return fmt::format("{}", count);
}

/// "4.1 GB", "84.1 MB", "137 kB": three figures, since small types stand beside large ones.
std::string readable_size(uint64_t bytes) {
  const double n = double(bytes);
  if (n >= 1e9) return fmt::format("{:.2f} GB", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.1f} MB", n / 1e6);
  return fmt::format("{:.1f} kB", n / 1e3);
}

void line(std::string_view label, const std::string& text) {
  fmt::print("  {:<13} {}\n", label, text);
}

std::string describe_attention(const ModelConfig& c) {
  std::string text = fmt::format("{} heads of {}", c.n_heads, c.head_dim);
  if (c.n_kv_heads != c.n_heads) {
    text += fmt::format(", {} key-value head{}", c.n_kv_heads, c.n_kv_heads == 1 ? "" : "s");
  }
  if (c.sliding_window > 0) text += fmt::format(", window of {} tokens", c.sliding_window);
  if (c.qkv_bias) text += ", biases";
  if (c.qk_norm) text += ", normed queries and keys";
  return text;
}

std::string describe_rope(const RopeConfig& rope) {
  std::string text = fmt::format("base {}", rope.theta);
  switch (rope.scaling) {
    case RopeScaling::none:
      break;
    case RopeScaling::linear:
      text += fmt::format(", linear scaling by {}", rope.factor);
      break;
    case RopeScaling::dynamic:
      text += fmt::format(", dynamic scaling by {}", rope.factor);
      break;
    case RopeScaling::llama3:
      text += fmt::format(", llama3 scaling by {}", rope.factor);
      break;
    case RopeScaling::yarn:
      text += fmt::format(", YaRN scaling by {}", rope.factor);
      break;
  }
  if (!rope.freq_factors.empty()) text += ", frequency factors";
  return text;
}

void print_model(const InspectReport& report, const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  fmt::print("{}\n", heading(checkpoint.path().string()));
  line("model", c.name.empty() ? c.architecture : fmt::format("{} ({})", c.name, c.architecture));
  line("format", checkpoint.gguf() ? fmt::format("GGUF version {}", checkpoint.gguf()->version())
                                   : "Hugging Face checkpoint");
  line("parameters", readable_count(checkpoint.parameters()));
  line("size", fmt::format("{}, {:.3f} bits per weight", readable_size(checkpoint.file_bytes()),
                           checkpoint.bits_per_weight()));
  line("layers", fmt::format("{}, {} wide, feed-forward {}", c.n_layers, c.hidden, c.ffn));
  line("attention", describe_attention(c));
  line("rotation", describe_rope(c.rope));
  line("context", fmt::format("{} tokens", c.context_length));
  line("vocabulary", fmt::format("{}{}", c.vocab, c.tied_embeddings ? ", output tied to the embedding" : ""));
  line("tokenizer", report.tokenizer.empty() ? "none: use --tokens in place of text" : report.tokenizer);
  line("chat template", report.chat_template ? "yes" : "no");
}

void print_types(const InspectReport& report, const Checkpoint& checkpoint) {
  fmt::print("\n{}\n", heading("Tensors"));
  fmt::print("  {:<11} {:>7} {:>11} {:>10} {:>12}  {}\n", "type", "tensors", "parameters", "size",
             "bits/weight", "kernel here");
  for (const TypeSummary& type : report.types) {
    fmt::print("  {:<11} {:>7} {:>11} {:>10} {:>12.3f}  {}\n", dtype_name(type.dtype), type.tensors,
               readable_count(type.parameters), readable_size(type.bytes), type.bits_per_weight(),
               type.kernel.empty() ? "-" : type.kernel);
  }
  if (report.types.size() > 1) {
    fmt::print("  {:<11} {:>7} {:>11} {:>10} {:>12.3f}\n", "all", checkpoint.tensors().size(),
               readable_count(checkpoint.parameters()), readable_size(checkpoint.tensor_bytes()),
               checkpoint.bits_per_weight());
  }
}

void print_memory(const InspectReport& report) {
  const auto row = [](std::string_view label, uint64_t bytes) {
    fmt::print("  {:<14} {:>9}\n", label, readable_size(bytes));
  };
  fmt::print("\n{}\n", heading(fmt::format("Memory for {} tokens of context", report.context)));
  row("weights", report.memory.weights);
  row(fmt::format("KV cache, {}", kv_type_name(report.kv_type)), report.memory.kv_cache);
  row("scratch", report.memory.scratch);
  row("program", report.memory.program);
  row("together", report.memory.total());
}

void print_machine() {
  const CpuInfo& cpu = cpu_info();
  fmt::print("\n{}\n", heading("This machine"));
  line("processor",
       fmt::format("{}, {} core{}", cpu.model, cpu.physical_cores, cpu.physical_cores == 1 ? "" : "s"));
  line("kernels for", std::string(isa_name(selected_isa())));
}

void print_metadata(const nlohmann::ordered_json& metadata) {
  if (metadata.empty()) return;
  fmt::print("\n{}\n", heading("Made by nibble"));
  for (const auto& [key, value] : metadata.items()) {
    if (value.is_array()) continue;  // long lists, such as a tokenizer's rules; --json has it
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    constexpr size_t kLong = 400;  // a recipe names every matrix
    fmt::print("  {:<24} {}\n", key,
               text.size() <= kLong ? text : fmt::format("{} bytes; --json has them", text.size()));
  }
}

void print_tensors(const Checkpoint& checkpoint) {
  size_t width = 0;
  for (const TensorView& tensor : checkpoint.tensors()) width = std::max(width, tensor.name.size());
  fmt::print("\n{}\n", heading("Every tensor"));
  for (const TensorView& tensor : checkpoint.tensors()) {
    fmt::print("  {:<{}}  {:<10} {:>14} {:>10}\n", tensor.name, width, dtype_name(tensor.dtype),
               fmt::format("{}", fmt::join(tensor.shape, " x ")), readable_size(tensor.data.size()));
  }
}

}  // namespace

void print_inspect(const InspectReport& report, const Checkpoint& checkpoint, bool tensors) {
  print_model(report, checkpoint);
  print_types(report, checkpoint);
  print_memory(report);
  print_machine();
  print_metadata(own_metadata(checkpoint));
  if (tensors) print_tensors(checkpoint);
}

}  // namespace nibble
