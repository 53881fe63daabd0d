#include "base/html.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

// markupsafe.escape() of the same.
TEST(Html, Escapes) {
  EXPECT_EQ(escape_html("<a href=\"x\">&'</a>"), "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(escape_html(""), "");
}

}  // namespace
}  // namespace nibble
