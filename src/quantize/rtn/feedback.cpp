#include "quantize/rtn/families.h"
#include "quantize/rtn/level_codec.h"

/// Rounding column by column with error feedback: the inner loop of GPTQ (quantize/gptq.h), on eight rows.
namespace nibble::NIBBLE_RTN_ISA {

namespace {

/// Codes 0 .. largest that stand for themselves.
struct IntegerPlaces {
  float largest;

  VecI index(Vec t) const { return to_int(round(clamp(t, 0.0f, largest))); }
  Vec value(VecI i) const { return to_float(i); }
};

template <class Places>
void round_piece(const Places& places, const FeedbackPiece& piece, const FeedbackResult& result) {
  Vec w[kFeedbackColumns];
  for (size_t j = 0; j < piece.columns; ++j) w[j] = load(piece.w + j * kLanes);
  Vec loss = splat(0.0f);
  for (size_t j = 0; j < piece.columns; ++j) {
    const Vec scale = load(piece.scale + j * piece.scale_stride);
    const Vec offset = load(piece.offset + j * piece.scale_stride);
    const VecI usable = scale != 0.0f;
    const Vec t = select(usable, (w[j] - offset) / select(usable, scale, splat(1.0f)), splat(0.0f));
    const VecI place = places.index(t);
    const float* u = piece.factor + j * piece.factor_stride;
    const Vec error = (w[j] - (scale * places.value(place) + offset)) / splat(u[j]);
    loss += error * error;
    store(to_float(place), result.places + j * kLanes);
    store(error, result.errors + j * kLanes);
    for (size_t k = j + 1; k < piece.columns; ++k) w[k] -= error * splat(u[k]);
  }
  store(loss, result.losses);
}

}  // namespace

void round_with_feedback(const FeedbackPiece& piece, const FeedbackResult& result) {
  static_assert(kFeedbackRows == kLanes);
  if (piece.levels == nullptr) return round_piece(IntegerPlaces{piece.largest}, piece, result);
  round_piece(level_search([&](int i) { return piece.levels[i]; }), piece, result);
}

}  // namespace nibble::NIBBLE_RTN_ISA
