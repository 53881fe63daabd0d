#include "serve/access.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "serve/api_error.h"

namespace nibble {
namespace {

HttpRequest request(std::map<std::string, std::string> headers) {
  HttpRequest result;
  result.method = "POST";
  result.headers = std::move(headers);
  return result;
}

/// 0 when the request may be served.
int status_of(const HttpRequest& asked, const AccessRules& rules, bool open = false) {
  try {
    check_access(asked, rules, open);
    return 0;
  } catch (const ApiError& error) {
    return error.status();
  }
}

TEST(Access, WantsAKeyWhereThereAreSome) {
  AccessRules rules;
  EXPECT_EQ(status_of(request({}), rules), 0);
  rules.keys.add("secret");
  rules.keys.add("other");
  EXPECT_EQ(status_of(request({}), rules), 401);
  EXPECT_EQ(status_of(request({}), rules, true), 0);
  EXPECT_EQ(status_of(request({{"authorization", "Bearer secret"}}), rules), 0);
  EXPECT_EQ(status_of(request({{"authorization", "Bearer other"}}), rules), 0);
  for (const char* wrong : {"Bearer secre", "Bearer secrets", "Bearer ", "secret", "Basic secret"}) {
    EXPECT_EQ(status_of(request({{"authorization", wrong}}), rules), 401) << wrong;
  }
}

TEST(Access, PagesOfOtherOriginsAreRefused) {
  AccessRules rules;
  const auto from = [](const char* origin) {
    return request({{"host", "localhost:80"}, {"origin", origin}});
  };
  EXPECT_EQ(status_of(from("http://localhost:80"), rules), 0);
  EXPECT_EQ(status_of(from("http://localhost:81"), rules), 403);
  EXPECT_EQ(status_of(from("https://example.org"), rules), 403);
  EXPECT_EQ(status_of(from("null"), rules), 403);
  rules.cors = "https://example.org";
  EXPECT_EQ(status_of(from("https://example.org"), rules), 0);
  EXPECT_EQ(status_of(from("https://example.com"), rules), 403);
  rules.cors = "*";
  EXPECT_EQ(status_of(from("https://example.com"), rules), 0);
}

TEST(Access, OnLoopbackForeignHostNamesAreRefused) {
  AccessRules rules;
  for (const char* host : {"localhost:8080", "127.0.0.1", "[::1]:8080"}) {
    EXPECT_EQ(status_of(request({{"host", host}}), rules), 0) << host;
  }
  EXPECT_EQ(status_of(request({{"host", "rebound.example.org"}}), rules), 403);
  rules.loopback = false;
  EXPECT_EQ(status_of(request({{"host", "rebound.example.org"}}), rules), 0);
}

TEST(Access, CorsHeadersOnlyWhereTheyAreAsked) {
  AccessRules rules;
  HttpResponse response;
  add_cors_headers(request({{"origin", "https://example.org"}}), rules, response);
  EXPECT_TRUE(response.headers.empty());
  rules.cors = "https://example.org";
  add_cors_headers(request({{"origin", "https://example.org"}}), rules, response);
  ASSERT_FALSE(response.headers.empty());
  EXPECT_EQ(response.headers[0].second, "https://example.org");
}

TEST(Access, KeyFilesHaveALineForEachKey) {
  const auto path = std::filesystem::temp_directory_path() / ("nibble-keys-" + std::to_string(getpid()));
  write_file(path, "# ours\n\none\r\ntwo \n");
  ApiKeys keys;
  keys.add_file(path);
  EXPECT_TRUE(keys.contains("one") && keys.contains("two"));
  EXPECT_FALSE(keys.contains("# ours") || keys.contains(""));
  write_file(path, "# nothing\n");
  EXPECT_THROW(keys.add_file(path), Error);
  EXPECT_THROW(keys.add("two words"), Error);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace nibble
