#include "serve/page.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "serve/page_files.h"

namespace nibble {

namespace {

/// The page takes everything from here, and nobody puts it into a frame.
constexpr const char* kPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";
/// The build writes a hash of the content into these files' names.
constexpr std::string_view kHashed = "/assets/";

const PageFile* find_file(std::string_view path) {
  const auto files = page_files();
  if (path == "/") path = "/index.html";
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const PageFile& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

void send_file(Exchange& exchange) {
  const PageFile& file = *find_file(exchange.request.path);
  HttpResponse& response = exchange.response;
  auto& headers = response.headers;
  headers.emplace_back("ETag", file.etag);
  headers.emplace_back("Cache-Control",
                       file.path.starts_with(kHashed) ? "public, max-age=31536000, immutable" : "no-cache");
  headers.emplace_back("Content-Security-Policy", kPolicy);
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Referrer-Policy", "no-referrer");
  headers.emplace_back("Vary", "Accept-Encoding");
  if (exchange.request.header("if-none-match") == file.etag) {
    response.status = 304;
    return;
  }
  response.content_type = content_type(file.path);
  if (exchange.request.header("accept-encoding").find("gzip") != std::string::npos) {
    headers.emplace_back("Content-Encoding", "gzip");
    response.body = file.gzipped;
  } else {
    response.body = gunzip(file.gzipped);
  }
}

}  // namespace

void add_page(Router& router) {
  static const Router::Route route{"GET", "page", {}, send_file, Router::Access::open};
  router.set_fallback([](const std::string& path) { return find_file(path) ? &route : nullptr; });
}

std::string_view content_type(std::string_view path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".json", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
  }};
  for (const auto& [extension, type] : kTypes) {
    if (path.ends_with(extension)) return type;
  }
  return "application/octet-stream";
}

std::string gunzip(std::string_view gzipped) {
  z_stream stream{};
  constexpr int kGzip = 16 + MAX_WBITS;
  if (inflateInit2(&stream, kGzip) != Z_OK) fail("zlib can't decompress");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzipped.data()));
  stream.avail_in = uInt(gzipped.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK) {
    char block[16384];
    stream.next_out = reinterpret_cast<Bytef*>(block);
    stream.avail_out = sizeof(block);
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(block, sizeof(block) - stream.avail_out);
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END) fail("a file of the page is damaged");
  return out;
}

}  // namespace nibble
