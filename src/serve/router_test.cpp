#include "serve/router.h"

#include <gtest/gtest.h>

#include "serve/api_error.h"

namespace nibble {
namespace {

Router make_router() {
  Router router;
  router.add("GET", "/api/jobs", [](Exchange&) {});
  router.add("GET", "/api/jobs/{id}", [](Exchange&) {});
  router.add("DELETE", "/api/jobs/{id}", [](Exchange&) {});
  router.add(
      "GET", "/api/jobs/{id}/events", [](Exchange&) {}, Router::Access::open);
  return router;
}

HttpRequest request(const std::string& method, const std::string& path) {
  HttpRequest result;
  result.method = method;
  result.path = path;
  return result;
}

int status_of(const Router& router, HttpRequest asked) {
  try {
    router.find(asked);
    return 200;
  } catch (const ApiError& error) {
    return error.status();
  }
}

TEST(Router, FindsPatternsAndTheirNames) {
  const Router router = make_router();
  HttpRequest asked = request("GET", "/api/jobs/job-7/events");
  EXPECT_EQ(router.find(asked).name, "/api/jobs/{id}/events");
  EXPECT_EQ(asked.segments.at("id"), "job-7");
  asked = request("HEAD", "/api/jobs");
  EXPECT_EQ(router.find(asked).name, "/api/jobs");
}

TEST(Router, TellsUnknownPathsFromWrongMethods) {
  const Router router = make_router();
  EXPECT_EQ(status_of(router, request("GET", "/nothing")), 404);
  EXPECT_EQ(status_of(router, request("GET", "/api/jobs/7/other")), 404);
  EXPECT_EQ(status_of(router, request("GET", "/api/jobs/")), 200);  // an empty id, which no job has
  EXPECT_EQ(status_of(router, request("PUT", "/api/jobs")), 405);
  EXPECT_EQ(status_of(router, request("GET", "")), 404);
}

}  // namespace
}  // namespace nibble
