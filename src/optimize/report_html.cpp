#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/html.h"
#include "evaluate/comparison.h"
#include "evaluate/html_page.h"
#include "model/tensor_names.h"
#include "optimize/report.h"

namespace nibble {

namespace {

constexpr double kMega = 1e6;

std::vector<std::string> bounds_of(const OptimizeRequest& request) {
  std::vector<std::string> bounds;
  if (request.max_size) bounds.push_back("file at most " + short_bytes(*request.max_size));
  if (request.max_memory) bounds.push_back("memory at most " + short_bytes(*request.max_memory));
  if (request.max_loss) {
    bounds.push_back(fmt::format("loss ({}) at most {} with 95% confidence", loss_metric_name(request.metric),
                                 bound_text(request.metric, *request.max_loss)));
  }
  if (request.min_speed) bounds.push_back(fmt::format("at least {} tokens/s", *request.min_speed));
  return bounds;
}

std::vector<std::string> findings_of(const OptimizeResult& result, const OptimizeRequest& request,
                                     const Checkpoint& checkpoint) {
  const OptimizeStep& step = result.steps[result.picked];
  const Measured& m = step.measured;
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{}, {:.2f} bits per weight: {:.1f} times smaller than the original's {}.",
                              short_bytes(m.file_bytes), m.bits_per_weight,
                              double(checkpoint.file_bytes()) / double(m.file_bytes),
                              short_bytes(checkpoint.file_bytes())));
  lines.push_back(fmt::format(
      "KL divergence {:.4f} ± {:.4f} nats; the same most probable token for {:.1f}%; perplexity {:.3f}, the "
      "original's {:.3f}: {}, with 95% confidence below {}.",
      m.kld.kld.mean, m.kld.kld.standard_error, 100 * m.kld.top1_agreement.mean, m.kld.model.perplexity(),
      m.kld.base.perplexity(), loss_text(LossMetric::perplexity, perplexity_loss(m.kld).mean),
      loss_text(LossMetric::perplexity, perplexity_loss(m.kld).upper)));
  if (m.arc) {
    const PairedDifference& d = *m.arc_difference;
    lines.push_back(fmt::format(
        "ARC {:.1f}%, the original {:.1f}%: difference {:+.1f} points, 95% interval {:+.1f} to {:+.1f} "
        "(bootstrap), {} questions lost and {} gained, McNemar p {}; with 95% confidence less than {} lost "
        "(Tango's score interval).",
        100 * m.arc->acc().mean, 100 * m.base_arc->acc().mean, 100 * d.difference.mean, 100 * d.bootstrap.low,
        100 * d.bootstrap.high, d.only_a, d.only_b, short_p(d.p),
        loss_text(LossMetric::arc, arc_loss(d).upper)));
  }
  lines.push_back(fmt::format("{:.1f} tokens/s in decode here; {} of memory with {} tokens of context.",
                              m.tokens_per_s, short_bytes(m.memory_bytes), request.measure.context));
  return lines;
}

Table steps_table(const OptimizeResult& result) {
  Table table{{{"step", false},
               {"file"},
               {"bits per weight"},
               {"KL divergence, predicted"},
               {"measured"},
               {"perplexity"},
               {"95% below"},
               {"tokens/s"},
               {"bounds", false}},
              {}};
  for (size_t i = 0; i < result.steps.size(); ++i) {
    const OptimizeStep& step = result.steps[i];
    const Measured& m = step.measured;
    const MeasuredLoss loss = perplexity_loss(m.kld);
    table.rows.push_back(
        {fmt::format("{}{}", i + 1, i == result.picked ? ", picked" : ""), short_bytes(m.file_bytes),
         fmt::format("{:.3f}", m.bits_per_weight), fmt::format("{:.4f}", step.plan.loss),
         fmt::format("{:.4f} ± {:.4f}", m.kld.kld.mean, m.kld.kld.standard_error),
         loss_text(LossMetric::perplexity, loss.mean), loss_text(LossMetric::perplexity, loss.upper),
         fmt::format("{:.1f}", m.tokens_per_s), step.broken.empty() ? "kept" : "breaks " + step.broken});
  }
  return table;
}

/// The predicted front, scaled to what the pick measured, and what was measured.
std::string pareto_plot(const OptimizeResult& result) {
  const OptimizeStep& picked = result.steps[result.picked];
  const double scale = picked.plan.loss > 0 ? picked.measured.kld.kld.mean / picked.plan.loss : 1;
  const double rest = double(picked.measured.file_bytes) - double(picked.plan.bytes);
  ScatterPlot plot{"file, MB", "KL divergence, nats", {}, true};
  plot.x_from_zero = false;
  for (size_t i = 0; i < result.steps.size(); ++i) {
    const Measured& m = result.steps[i].measured;
    const double kld = m.kld.kld.mean, error = m.kld.kld.standard_error;
    plot.points.push_back({fmt::format("step {}{}", i + 1, i == result.picked ? ", picked" : ""),
                           double(m.file_bytes) / kMega, kld, kld - error, kld + error, i == result.picked});
  }
  // Of the front what is near the pick: from there the losses of the smallest files would be all there is to
  // see.
  constexpr double kSizes = 1.3, kLosses = 3;
  const double size = double(picked.measured.file_bytes), loss = picked.measured.kld.kld.mean;
  for (const Plan& plan : result.front) {
    const double bytes = double(plan.bytes) + rest, kld = scale * plan.loss;
    const bool near = bytes * kSizes > size && bytes < size * kSizes && kld < loss * kLosses;
    if (near) plot.curve.emplace_back(bytes / kMega, kld);
  }
  return html_figure(plot,
                     fmt::format("Points: measured, with their standard errors; ring: the pick. Line: what "
                                 "is predicted of the best choice at each size, times {:.2f}, what "
                                 "measuring the pick made of its prediction.",
                                 scale));
}

double bits_of(const CandidateLoss& candidate, uint64_t elements) {
  return 8.0 * double(candidate.bytes) / double(elements);
}

/// The candidate nearest to 4.5 bits per weight: what tensors are compared at.
const CandidateLoss& reference(const TensorLosses& tensor, uint64_t elements) {
  constexpr double kBits = 4.5;
  return *std::min_element(tensor.candidates.begin(), tensor.candidates.end(),
                           [&](const CandidateLoss& a, const CandidateLoss& b) {
                             const double da = std::abs(bits_of(a, elements) - kBits);
                             const double db = std::abs(bits_of(b, elements) - kBits);
                             return da != db ? da < db : a.loss < b.loss;
                           });
}

/// A cell, tinted by a share of the strongest tint.
std::string heat_cell(const std::string& text, const std::string& title, double share) {
  return fmt::format(
      "<td title=\"{}\" style=\"background:color-mix(in srgb, var(--accent) {:.0f}%, transparent)\">{}</td>",
      escape_html(title), 70 * std::clamp(share, 0.0, 1.0), escape_html(text));
}

/// Rows of layers, columns of their matrices; cell(index of the tensor) makes a cell.
template <typename Cell>
std::string layer_table(const OptimizeResult& result, Cell cell) {
  std::map<std::pair<uint64_t, std::string>, size_t> places;
  std::vector<std::string> parts;
  std::vector<size_t> others;
  uint64_t layers = 0;
  for (size_t i = 0; i < result.analysis.tensors.size(); ++i) {
    const auto name = split_layer_name(result.analysis.tensors[i].name);
    if (!name) {
      others.push_back(i);
      continue;
    }
    const std::string part(name->part);
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
    places[{name->layer, part}] = i;
    layers = std::max<uint64_t>(layers, name->layer + 1);
  }
  std::string out = "<div class=\"scroll\"><table class=\"heat\"><thead><tr><th>layer</th>";
  for (const std::string& part : parts)
    out += "<th>" + escape_html(part.substr(0, part.rfind('.'))) + "</th>";
  out += "</tr></thead><tbody>";
  for (uint64_t layer = 0; layer < layers; ++layer) {
    out += fmt::format("<tr><td>{}</td>", layer);
    for (const std::string& part : parts) {
      const auto found = places.find({layer, part});
      out += found == places.end() ? "<td></td>" : cell(found->second);
    }
    out += "</tr>";
  }
  for (const size_t i : others) {
    out += "<tr><td>" + escape_html(result.analysis.tensors[i].name) + "</td>" + cell(i) + "</tr>";
  }
  return out + "</tbody></table></div>\n";
}

std::string type_table(const OptimizeResult& result, const Checkpoint& checkpoint) {
  const Plan& plan = result.steps[result.picked].plan;
  return layer_table(result, [&](size_t i) {
    const TensorLosses& tensor = result.analysis.tensors[i];
    const CandidateLoss& c = tensor.candidates[plan.picks[i]];
    const double bits = bits_of(c, checkpoint.get(tensor.name).elements());
    return heat_cell(std::string(dtype_name(c.recipe.dtype)),
                     fmt::format("{}: {:.2f} bits, {}, predicted KL divergence {:.2e}", tensor.name, bits,
                                 c.recipe.nearest ? "rounded to nearest" : "GPTQ", c.loss),
                     (bits - 2) / 7);
  });
}

std::string sensitivity_table(const OptimizeResult& result, const Checkpoint& checkpoint) {
  std::vector<double> losses, sorted;
  for (const TensorLosses& tensor : result.analysis.tensors) {
    losses.push_back(reference(tensor, checkpoint.get(tensor.name).elements()).loss);
  }
  sorted = losses;
  std::sort(sorted.begin(), sorted.end());
  const double most = std::log(std::max(1e-12, sorted.back())),
               least = std::log(std::max(1e-12, sorted.front()));
  return layer_table(result, [&](size_t i) {
    const TensorLosses& tensor = result.analysis.tensors[i];
    const CandidateLoss& c = reference(tensor, checkpoint.get(tensor.name).elements());
    return heat_cell(fmt::format("{:.2f}", 1000 * losses[i]),
                     fmt::format("{} as {}", tensor.name, dtype_name(c.recipe.dtype)),
                     (std::log(std::max(1e-12, losses[i])) - least) / std::max(1e-9, most - least));
  });
}

/// What the page's words mean.
const std::vector<std::string> kWords = {
    "KL divergence: how far the model's probabilities of the next token are from the original's, in nats; 0 "
    "is "
    "the same model.",
    "Perplexity: e to the mean of what each token's negative log-probability is; growth by 1% means that the "
    "model is that much less sure of the text.",
    "Most probable token: how often model and original would write the same token, if each took its "
    "likeliest.",
    "McNemar p: how often chance alone would share out the questions that only one of the two answers "
    "rightly "
    "so unevenly; below 0.05 the difference is hardly chance. Bootstrap: the interval that resampled "
    "questions "
    "give.",
    "Bounds are kept with 95% confidence when the loss and its error together stay below them.",
    "Q4_0, Q5_K, IQ4_NL, ...: GGUF's types, with their bits. INT4_G64 and UINT4_G128: 4 bits with a scale "
    "for "
    "each 64 or 128 weights, U with a minimum too. NF4: levels at the quantiles of a normal distribution, DQ "
    "with scales that are quantized again.",
};

}  // namespace

std::string optimize_html(const OptimizeResult& result, const OptimizeRequest& request,
                          const HeldOut& held_out, const Checkpoint& checkpoint) {
  const std::string title = fmt::format(
      "{}: the quantization that nibble chose",
      checkpoint.config().name.empty() ? request.model.stem().string() : checkpoint.config().name);
  std::string out = html_heading(
      title, fmt::format("Asked: {}. Measured on {}.", fmt::join(bounds_of(request), ", "), held_out.text));
  out += html_list(findings_of(result, request, checkpoint), "findings");
  out += "<h2>What was built and measured</h2>\n" + html_table(steps_table(result));
  out += "<h2>Size and loss</h2>\n<div class=\"plots\">" + pareto_plot(result) + "</div>\n";
  out += "<h2>The type of each matrix</h2>\n" + type_table(result, checkpoint);
  out += html_list({"The darker, the more bits. Point at a cell for its method and its predicted loss."},
                   "legend");
  out += "<h2>Sensitivity</h2>\n" + sensitivity_table(result, checkpoint);
  out +=
      html_list({"Thousandths of a nat of KL divergence that the model is predicted to lose when this matrix "
                 "alone has about 4.5 bits per weight. The darker, the more."},
                "legend");
  out += "<h2>The recipe</h2>\n<p>Saved as recipe.json, it repeats the file's tensors bit for bit: <code>" +
         escape_html(
             fmt::format("nibble quantize {} -o OUT.gguf --recipe recipe.json", request.model.string())) +
         "</code></p>\n<details><summary>recipe.json</summary><pre>" +
         escape_html(to_json(result.recipe).dump(2)) + "</pre></details>\n";
  out += "<h2>Words</h2>\n" + html_list(kWords, "legend");
  return html_page(title, out);
}

}  // namespace nibble
