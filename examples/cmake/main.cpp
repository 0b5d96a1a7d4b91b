// Which digit is in a picture, by a bundle that this very build compiled.
//
//   reads_a_digit BUNDLE PICTURE.pgm [EXPECTED]
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "digits.hpp"

// A plain PGM file (P2): grey values from 0 to `most`, brought to 0 to 1.
static std::vector<float> grey(const char* file) {
  std::ifstream stream(file);
  std::string kind;
  std::size_t width = 0, height = 0;
  float most = 0;
  stream >> kind >> width >> height >> most;
  std::vector<float> values(kind == "P2" ? width * height : 0);
  for (float& value : values) {
    stream >> value;
    value /= most;
  }
  if (!stream || values.empty()) throw std::runtime_error(std::string(file) + " is no plain PGM file");
  return values;
}

int main(int count, char** arguments) {
  if (count < 3) {
    std::cerr << "usage: reads_a_digit BUNDLE PICTURE.pgm [EXPECTED]\n";
    return 2;
  }
  try {
    Ort::Env env;
    digits::Session model(env, arguments[1]);
    digits::Inputs given;
    given.image.values = grey(arguments[2]);
    const std::vector<float> logits = model.run(given).logits.values;
    const auto digit = std::max_element(logits.begin(), logits.end()) - logits.begin();
    std::cout << "a " << digit << "\n";
    return count > 3 && digit != std::atol(arguments[3]) ? 1 : 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
