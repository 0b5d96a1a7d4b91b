"""What runs bundles for the web: builds of npm, a browser, a graphics driver in software. Facts only.

Sizes were measured on 2026-11-21; they are shown before anything is fetched.
"""

from __future__ import annotations

from .kinds import Component, DebianPackages, NpmPackages

__all__ = ["WEB_COMPONENTS"]

# The newest of npm's registry on 2026-11-21; both packages go by one version.
_WEB = "1.30.0"
# Debian asks that the licences go with the files.
_LICENCES = "usr/share/doc/*/copyright"
# Libraries of glibc's own.
_OF_GLIBC = (
    "BrokenLocale", "anl", "c", "c_malloc_debug", "dl", "m", "memusage", "mvec", "nsl", "nss_*", "pcprofile", "pthread",
    "resolv", "rt", "thread_db", "util",
)  # fmt: skip
# Vulkan drivers of graphics cards, and layers.
_DRIVERS = ("asahi", "broadcom", "dzn", "freedreno", "gfxstream", "intel*", "nouveau", "panfrost", "powervr", "radeon",
            "virtio")  # fmt: skip

WEB_COMPONENTS = (
    Component(
        name=f"onnxruntime-web-{_WEB}",
        about=f"ONNX Runtime {_WEB} as WebAssembly: onnxruntime-web and onnxruntime-common of npm",
        licence="MIT",
        source=NpmPackages(
            packages=(("onnxruntime-web", _WEB), ("onnxruntime-common", _WEB)),
            keep=(
                "*/package.json",
                "*/README.md",
                "onnxruntime-web/dist/ort.node.min.mjs",
                "onnxruntime-web/dist/ort.wasm.min.mjs",
                "onnxruntime-web/dist/ort.webgpu.min.mjs",
                "onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.mjs",
                "onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm",
                "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
                "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
                "onnxruntime-common/dist/esm/*.js",
            ),
        ),
        fetched_bytes=33_000_000,
        kept_bytes=42_000_000,
    ),
    Component(
        name="chromium-headless",
        about="Chromium without a screen, of Debian bookworm, and its libraries",
        licence="BSD-3-Clause (Chromium), LGPL-2.1-or-later (glib), others in its usr/share/doc",
        source=DebianPackages(
            suite="bookworm",  # built for an older C library than trixie's: it runs with this machine's
            architecture="",
            packages=("chromium-headless-shell",),
            keep=(
                "usr/lib/chromium/chromium-headless-shell",
                "usr/lib/chromium/*.pak",
                "usr/lib/chromium/*.dat",
                "usr/lib/chromium/*.bin",
                "usr/lib/chromium/*.json",
                "usr/lib/chromium/libEGL.so",
                "usr/lib/chromium/libGLESv2.so",
                "usr/lib/chromium/libvk_swiftshader.so",
                "usr/lib/chromium/libvulkan.so.1",
                "usr/lib/*-linux-gnu/lib*.so*",
                "usr/lib/*-linux-gnu/pulseaudio/libpulsecommon-*",
                _LICENCES,
            ),
            drop=tuple(
                f"usr/lib/*-linux-gnu/{name}"
                for name in (
                    # The C library's, which must be of one version with its loader: this machine's.
                    *(f"lib{name}.so*" for name in _OF_GLIBC),
                    # What draws on a graphics card, 200 MB with its compiler; and what reads XML for it.
                    "libLLVM*",
                    "libz3*",
                    "libicu*",
                    "libxml2*",
                    "libGL*",
                    "dri/",
                    "libgallium*",
                )
            ),
        ),
        fetched_bytes=160_000_000,
        kept_bytes=281_000_000,
    ),
    Component(
        name=f"onnxruntime-node-{_WEB}",
        about=f"ONNX Runtime {_WEB} with its WebGPU provider: onnxruntime-node and onnxruntime-common of npm",
        licence="MIT (ONNX Runtime), BSD-3-Clause (Dawn)",
        source=NpmPackages(
            packages=(("onnxruntime-node", _WEB), ("onnxruntime-common", _WEB)),
            keep=(
                "*/package.json",
                "*/README.md",
                "onnxruntime-node/dist/*.js",
                "onnxruntime-node/bin/napi-v*/linux/x64/*",
                "onnxruntime-common/dist/cjs/*",
            ),
        ),
        fetched_bytes=114_000_000,
        kept_bytes=47_000_000,
    ),
    Component(
        name="vulkan-lavapipe",
        about="Mesa's Vulkan driver in software, of Debian trixie for x86-64, and its libraries",
        licence="MIT (Mesa, Vulkan's loader), Apache-2.0 WITH LLVM-exception (LLVM), LGPL-2.1-or-later (glibc)",
        source=DebianPackages(
            suite="trixie",
            architecture="amd64",
            packages=("mesa-vulkan-drivers", "libvulkan1", "libstdc++6"),
            keep=(
                "usr/lib64/",
                "usr/lib/x86_64-linux-gnu/lib*.so*",
                "usr/lib/x86_64-linux-gnu/ld-*",
                "usr/share/vulkan/icd.d/lvp_icd.json",
                _LICENCES,
            ),
            drop=tuple(f"usr/lib/x86_64-linux-gnu/libvulkan_{name}.so" for name in _DRIVERS),
        ),
        fetched_bytes=57_000_000,
        kept_bytes=190_000_000,
    ),
)
