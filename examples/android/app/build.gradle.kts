plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
    id("edgec")
}

// The bundle, and edgec.Digits that opens it.
val digits = edgec.model("digits") {
    projectFile = file("../edgec.toml")
    target = "android-cpu"
}

android {
    namespace = "example"
    compileSdk = 35
    defaultConfig {
        applicationId = "example.digits"
        minSdk = 24
        targetSdk = 35
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions {
        jvmTarget = "17"
    }
    sourceSets["main"].assets.srcDir(digits.assets)
    sourceSets["main"].kotlin.srcDir(digits.sources)
}

tasks.named("preBuild") {
    dependsOn(digits)
}

dependencies {
    implementation("com.microsoft.onnxruntime:onnxruntime-android:1.24.2")
}
