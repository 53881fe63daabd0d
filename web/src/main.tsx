import {render} from 'preact';
import {App} from './app';
import {loadConversations} from './state/conversations';
import {refreshJobs} from './state/jobs';
import {watchServer} from './state/server';
import './styles/base.css';
import './styles/controls.css';
import './styles/frame.css';
import './styles/chat.css';
import './styles/markdown.css';
import './styles/parameters.css';
import './styles/models.css';

render(<App />, document.getElementById('app')!);
void loadConversations();
void watchServer();
void refreshJobs();
