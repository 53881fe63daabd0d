#include "serve/page.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nibble {
namespace {

TEST(Page, TypesFollowTheExtension) {
  EXPECT_EQ(content_type("/index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(content_type("/assets/a.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(content_type("/x"), "application/octet-stream");
}

TEST(Page, GunzipGivesBackWhatGzipTook) {
  // printf 'hello' | gzip -n
  constexpr unsigned char kHello[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                      0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                      0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};
  const std::string_view gzipped(reinterpret_cast<const char*>(kHello), sizeof(kHello));
  EXPECT_EQ(gunzip(gzipped), "hello");
  EXPECT_THROW(gunzip(gzipped.substr(0, 12)), Error);
}

}  // namespace
}  // namespace nibble
