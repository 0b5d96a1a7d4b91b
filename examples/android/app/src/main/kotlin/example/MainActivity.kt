// Which digit is in a picture, by a bundle that this very build compiled.
package example

import android.app.Activity
import android.os.Bundle
import android.widget.TextView
import edgec.Digits
import java.io.File

// A seven of 8x8 pixels, each from 0 to g, which is 16; the model takes each as 3x3.
private val SEVEN =
    listOf("02fg5000", "004b9000", "000d7210", "018gega0", "0agf7100", "00e80000", "01g30000", "02f10000")

class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val image = FloatArray(24 * 24) { Character.digit(SEVEN[it / 24 / 3][it % 24 / 3], 17) / 16f }
        val logits = Digits.open(unpacked("digits")).use { it.run(image = Digits.Tensor(image)).logits.values }
        val view = TextView(this)
        view.text = "a ${logits.indices.maxByOrNull { logits[it] }}"
        setContentView(view)
    }

    /** The bundle as files, once for each compile of it: ONNX Runtime opens no assets. */
    private fun unpacked(bundle: String): File {
        val folder = File(filesDir, Digits.MANIFEST)
        val model = File(folder, Digits.MODEL_FILE)
        if (!model.exists()) {
            folder.mkdirs()
            val unfinished = File(folder, "unfinished")
            assets.open("$bundle/${Digits.MODEL_FILE}").use { from -> unfinished.outputStream().use(from::copyTo) }
            check(unfinished.renameTo(model)) { "$model cannot be written" }
        }
        return folder
    }
}
