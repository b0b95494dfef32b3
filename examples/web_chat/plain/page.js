import { runStream } from '/plain/run_stream.js'

const at = (id) => document.getElementById(id)

// The run is in the address, so that a reload goes on with it.
const run = runStream('/runs', {
  onChange: ({ text, output, tools, status, stream }) => {
    at('answer').textContent = text
    at('answer').className = status === 'going' ? 'going' : ''
    at('output').textContent = output === undefined ? '' : JSON.stringify(output, null, 2)
    at('tools').textContent = [...tools.values()].map(({ name, state }) => `${name} ${state}`).join(', ')
    at('status').textContent = status
    at('stop').disabled = status !== 'going'
    at('ask').disabled = status === 'going'
    if (stream && location.hash !== `#${stream}`) history.replaceState(null, '', `#${stream}`)
  },
})

document.querySelector('form').onsubmit = (event) => {
  event.preventDefault()
  run.ask(at('prompt').value)
}
at('stop').onclick = () => run.stop()
if (location.hash) run.follow(location.hash.slice(1))
