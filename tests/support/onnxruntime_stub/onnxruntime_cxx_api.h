// What wrappers use of ONNX Runtime's C++ header, enough to compile and to run without the library: a session answers
// output i with the bytes of input i, of as many as there are.
#pragma once
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

enum ONNXTensorElementDataType {
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT4 = 21,
  ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4 = 22
};
enum OrtAllocatorType { OrtArenaAllocator };
enum OrtMemType { OrtMemTypeDefault };

namespace Ort {
struct Env {};
struct RunOptions {
  explicit RunOptions(std::nullptr_t) {}
};
struct MemoryInfo {
  static MemoryInfo CreateCpu(OrtAllocatorType, OrtMemType) { return {}; }
};

struct SessionOptions {
  std::vector<std::string> said;
  SessionOptions& AddConfigEntry(const char* key, const char* value) {
    said.push_back(std::string(key) + "=" + value);
    return *this;
  }
  SessionOptions& AppendExecutionProvider(const std::string& name,
                                          const std::unordered_map<std::string, std::string>& options = {}) {
    said.push_back(name);
    for (const auto& [key, value] : options) said.push_back(name + "." + key + "=" + value);
    return *this;
  }
};

struct TensorTypeAndShapeInfo {
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> GetShape() const { return shape; }
  std::size_t GetElementCount() const {
    std::size_t count = 1;
    for (auto dim : shape) count *= static_cast<std::size_t>(dim);
    return count;
  }
};

struct Value {
  std::vector<char> bytes;
  std::vector<std::int64_t> shape;
  ONNXTensorElementDataType type;
  static Value CreateTensor(const MemoryInfo&, void* data, std::size_t size, const std::int64_t* shape,
                            std::size_t rank, ONNXTensorElementDataType type) {
    auto first = static_cast<const char*>(data);
    return {std::vector<char>(first, first + size), std::vector<std::int64_t>(shape, shape + rank), type};
  }
  TensorTypeAndShapeInfo GetTensorTypeAndShapeInfo() const { return {shape}; }
  const void* GetTensorRawData() const { return bytes.data(); }
};

struct Session {
  std::string file;
  std::vector<std::string> said, fed;
  Session(const Env&, const char* path, const SessionOptions& options) : file(path), said(options.said) {}
  std::vector<Value> Run(const RunOptions&, const char* const* inputs, const Value* values, std::size_t count,
                         const char* const* outputs, std::size_t wanted) {
    fed.assign(inputs, inputs + count);
    fed.insert(fed.end(), outputs, outputs + wanted);
    std::vector<Value> found;
    for (std::size_t index = 0; index < wanted; ++index) found.push_back(values[index % count]);
    return found;
  }
};
}  // namespace Ort
